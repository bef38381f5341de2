import { rowFlaw } from '../datastore/row.js';
import { embedding } from '../embedding/embedding.js';
import { type EmbeddingSpace, whyNotComparable } from '../embedding/space.js';
import type { Queryable } from '../gallery/database.js';
import type { StoredSpace } from '../gallery/domain.js';
import type { Gallery } from '../gallery/gallery.js';
import { readSpaces } from '../gallery/space-store.js';
import { identifier } from '../gallery/sql-values.js';
import type { DatastoreSource } from './datastore-source.js';

/** Vectors of a datastore that are looked for in a taken-over table before its space is declared. */
const SAMPLE = 64;

/**
 * The table that holds a space, as the database stands; null when there is none yet. A taken-over table whose space
 * nobody declared is the datastore's when it holds one of its vectors for the domain: two spaces never share 512
 * float32 numbers by chance.
 */
export async function findFaceTable(
  gallery: Gallery,
  source: DatastoreSource,
  space: EmbeddingSpace,
  signal?: AbortSignal,
): Promise<StoredSpace | null> {
  const spaces = await readSpaces(gallery.database);
  const stored = spaces.find((one) => one.space !== null && whyNotComparable(one.space, space) === null);
  if (stored !== undefined) return stored;
  const undeclared = spaces.filter((one) => one.space === null && one.dimensions === space.dimensions);
  for (const candidate of undeclared)
    if (await holdsVectorOf(gallery.database, candidate.table, source, space, signal)) return candidate;
  return null;
}

/** The same, declared or made where it is not there. */
export async function ensureFaceTable(
  gallery: Gallery,
  source: DatastoreSource,
  space: EmbeddingSpace,
  signal?: AbortSignal,
): Promise<StoredSpace> {
  const found = await findFaceTable(gallery, source, space, signal);
  if (found === null) return gallery.ensureSpace(space, signal ? { signal } : {});
  return found.space === null ? gallery.declareSpace(found.table, space, signal ? { signal } : {}) : found;
}

async function holdsVectorOf(
  database: Queryable,
  table: string,
  source: DatastoreSource,
  space: EmbeddingSpace,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { rows } = await database.query<{ filled: boolean }>({
    text: `select exists (select from ${identifier(table)} where domain = $1) as filled`,
    values: [source.domain],
  });
  if (rows[0]?.filled !== true) return false;
  let looked = 0;
  for await (const batch of source.datastore.rows({ part: source.part, ...(signal ? { signal } : {}) }))
    for (const row of batch) {
      if (row.embedding === null || rowFlaw(row, space.dimensions) !== null) continue;
      if (await holdsVector(database, table, source.domain, row.embedding, space)) return true;
      if (++looked === SAMPLE) return false;
    }
  return false;
}

async function holdsVector(
  database: Queryable,
  table: string,
  domain: string,
  values: Float32Array,
  space: EmbeddingSpace,
): Promise<boolean> {
  const { norm } = embedding(values, space);
  const { rows } = await database.query({
    text: `select from ${identifier(table)} where domain = $1 and embedding <-> $2::vector <= $3::float8 limit 1`,
    values: [domain, values, norm * 1e-6],
  });
  return rows.length > 0;
}
