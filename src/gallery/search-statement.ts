import { createHash } from 'node:crypto';
import type { Statement } from './database.js';
import type { StoredSpace } from './domain.js';
import { type IndexedValue, indexedExpression, metricInDatabase, metricOf } from './search-metric.js';
import { literal } from './sql-values.js';

/** A face as the search statements answer it; distances are the operator's. */
export interface FoundFace {
  readonly person: string;
  readonly name: string;
  readonly image_path: string;
  readonly distance: number;
}

export interface SearchRequest {
  readonly stored: StoredSpace;
  readonly domain: string;
  readonly probe: Float32Array;
  /** Faces to answer. */
  readonly limit: number;
}

function withPersons(faces: string): string {
  return `select n.person_id::text as person, p.name, n.image_path, n.distance
from (
${faces}
) n
join persons p on p.id = n.person_id`;
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** How the index that a search uses is asked. */
export interface UsedIndex {
  readonly indexed: IndexedValue;
  readonly iterates: boolean;
}

/**
 * The nearest faces of a domain by an HNSW index, in one round trip; the caller sorts them.
 *
 * The plan is pinned by how the statement is made. Domain and limit are literals, so that the plan is made once per
 * connection and stays, and a domain's own index is seen to apply. ef_search is set by the statement itself, for
 * itself: the planner never sees it, which keeps a large one from turning the plan into an exact scan (it did, at
 * 100). A half-precision index finds candidates only; their distances are those of the full vectors.
 */
export function hnswStatement(request: SearchRequest, efSearch: number, index: UsedIndex): Statement {
  const { stored, domain, probe, limit } = request;
  const { indexed, iterates } = index;
  const { operator } = metricInDatabase(metricOf(stored));
  const iterate = iterates ? ` || set_config('hnsw.iterative_scan', 'relaxed_order', true)` : '';
  const order = `${indexedExpression(stored, indexed, 'f.embedding')} ${operator} ${indexedExpression(stored, indexed, '$1::vector')}`;
  const text = withPersons(`  select f.person_id, f.image_path, f.embedding ${operator} $1::vector as distance
  from ${stored.table} f
  where f.domain = ${literal(domain)} and (select set_config('hnsw.ef_search', $2::text, true)${iterate}) is not null
  order by ${order}
  limit ${limit}`);
  return { name: `kith_n${digest(text)}`, text, values: [probe, String(efSearch)], repeatable: true };
}

/**
 * The nearest faces of a domain among all of them. `+ 0` keeps every index of distances out of it. Without a name, so
 * that it is planned for this domain: a small one is read by its index, a large one by a scan, in parallel where that pays.
 */
export function exactStatement({ stored, domain, probe, limit }: SearchRequest): Statement {
  const { operator } = metricInDatabase(metricOf(stored));
  const text = withPersons(`  select f.person_id, f.image_path, f.embedding ${operator} $1::vector as distance
  from ${stored.table} f
  where f.domain = $2
  order by (f.embedding ${operator} $1::vector) + 0
  limit $3`);
  return { text, values: [probe, domain, limit], repeatable: true };
}
