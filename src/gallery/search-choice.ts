import { createHash } from 'node:crypto';
import type { Queryable, QueryOptions } from './database.js';
import type { Domain } from './domain.js';
import { isAtLeast, parseVersion } from './pgvector.js';
import type { IndexedValue } from './search-metric.js';

/** An HNSW index that can answer a search of a domain. */
export interface SearchIndex {
  readonly scope: 'whole-table' | 'domain';
  readonly indexed: IndexedValue;
  /** Share of the index's faces that are of this domain, 0–1: the others are found for nothing. */
  readonly share: number;
  /** The scan goes on past the faces of other domains until the limit is filled (pgvector 0.8). */
  readonly iterates: boolean;
}

/** What is known about searching a domain: how many faces it has, and by which index, if any. */
export interface SearchFacts {
  readonly faces: number;
  readonly index: SearchIndex | null;
}

/** Faces are counted up to this many: beyond, the planner's statistics are near enough. */
const COUNTED = 20_000;
/**
 * What a search by an index costs for each candidate that its ef_search asks for, in faces that a scan reads in the
 * same time. Measured with bench/search-designs.ts: 19 to 37, the more the larger the index.
 */
const SCANNED_PER_CANDIDATE = 22;
/** ef_search when neither the call nor the domain sets one, and pgvector's bounds. */
export const DEFAULT_EF_SEARCH = 100;
export const MOST_EF_SEARCH = 1_000;

interface FactsRow {
  readonly counted: number;
  readonly table_faces: number;
  readonly domain_faces: number;
  readonly pgvector: string;
  readonly whole: string | null;
  readonly own: string | null;
}

/** The name of a domain's own index on a table of faces. */
export function ownIndexName(table: string, domain: string): string {
  const digest = createHash('sha256').update(domain).digest('hex').slice(0, 16);
  return `${table}_domain_${digest}_idx`;
}

const HNSW = `(select o.opcname::text from pg_index i
      join pg_class x on x.oid = i.indexrelid
      join pg_am a on a.oid = x.relam and a.amname = 'hnsw'
      join pg_opclass o on o.oid = i.indclass[0]
      where i.indrelid = c.oid and i.indisvalid and CONDITION limit 1)`;

const factsText = (table: string): string => `select
    (select count(*) from (select from ${table} where domain = $1 limit ${COUNTED}) s)::int as counted,
    greatest(c.reltuples, 0)::float8 as table_faces,
    (select extversion from pg_extension where extname = 'vector') as pgvector,
    coalesce((select greatest(c.reltuples, 0) * u.freq
      from pg_stats t, unnest(t.most_common_vals::text::text[], t.most_common_freqs) u (value, freq)
      where t.schemaname = c.relnamespace::regnamespace::text and t.tablename = c.relname and t.attname = 'domain'
        and u.value = $1), 0)::float8 as domain_faces,
    ${HNSW.replace('CONDITION', 'i.indpred is null')} as whole,
    ${HNSW.replace('CONDITION', 'x.relname = $2')} as own
  from pg_class c where c.oid = '${table}'::regclass`;

const indexedValue = (operatorClass: string): IndexedValue =>
  operatorClass.startsWith('halfvec') ? 'halfvec' : 'vector';

export async function readSearchFacts(
  database: Queryable,
  { domain, stored }: Domain,
  options?: QueryOptions,
): Promise<SearchFacts> {
  const { rows } = await database.query<FactsRow>(
    { text: factsText(stored.table), values: [domain, ownIndexName(stored.table, domain)], repeatable: true },
    options,
  );
  const { counted, table_faces: all, domain_faces: estimated, whole, own } = rows[0]!;
  const faces = counted < COUNTED ? counted : Math.max(counted, Math.round(estimated));
  if (own !== null) return { faces, index: { scope: 'domain', indexed: indexedValue(own), share: 1, iterates: false } };
  if (whole === null) return { faces, index: null };
  const share = all > faces ? faces / all : 1;
  // Going on costs time even where it is not needed.
  const iterates = share < 1 && isAtLeast(parseVersion(rows[0]!.pgvector), '0.8.0');
  return { faces, index: { scope: 'whole-table', indexed: indexedValue(whole), share, iterates } };
}

/** Whether the index is worth its way for so many candidates, or a scan of the domain is as quick, and exact. */
export const indexPays = ({ faces, index }: SearchFacts, efSearch: number): boolean =>
  index !== null && faces * index.share >= SCANNED_PER_CANDIDATE * efSearch;
