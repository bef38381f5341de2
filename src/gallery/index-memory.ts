import type { Queryable } from './database.js';

/** What HNSW's build keeps per face beside the vector, in bytes per edge: 700 at pgvector's m = 16. */
const EDGE_BYTES = 44;
/** Edges per face where nobody says otherwise, as pgvector has it. */
export const DEFAULT_M = 16;

/**
 * Megabytes for building an HNSW index of so many faces, each of so many bytes and `m` edges: the whole graph, where the server is
 * big enough. Never less than `maintenance_work_mem` is set to, never more than twice its shared_buffers (commonly a
 * quarter of the machine).
 */
export async function buildMemory(
  database: Queryable,
  faces: number,
  bytes: number,
  m: number = DEFAULT_M,
): Promise<number> {
  const { rows } = await database.query<{ set_mb: number; buffers_mb: number }>({
    text: `
      select (select setting::float8 / 1024 from pg_settings where name = 'maintenance_work_mem') as set_mb,
             (select setting::float8 / 128 from pg_settings where name = 'shared_buffers') as buffers_mb`,
  });
  const { set_mb, buffers_mb } = rows[0]!;
  const needed = (faces * (bytes + m * EDGE_BYTES) * 1.3) / 2 ** 20;
  return Math.ceil(Math.max(set_mb, Math.min(needed, buffers_mb * 2)));
}
