import { KithError } from '../errors.js';
import type { Database, Queryable, QueryOptions } from './database.js';
import { stateOf } from './database-fault.js';
import type { Domain } from './domain.js';
import { buildMemory, DEFAULT_M } from './index-memory.js';
import { wholeNumber } from './option-check.js';
import { isAtLeast, pgvectorVersion, type Version } from './pgvector.js';
import { ownIndexName, readSearchFacts, type SearchFacts } from './search-choice.js';
import { type IndexedValue, indexedExpression, MOST_INDEXED, metricInDatabase, metricOf } from './search-metric.js';
import { identifier, literal } from './sql-values.js';

/** HNSW's shape: edges per face, and candidates weighed for them while building. */
export interface IndexShape {
  /** 2–100; 16 unless given, as pgvector has it. */
  readonly m?: number;
  /** 4–1000, at least 2 m; 64 unless given. */
  readonly efConstruction?: number;
  /** Megabytes for the build; what the domain's size asks for unless given, as far as the server is big enough. */
  readonly memoryMb?: number;
}

/** A domain with fewer faces gains nothing from an index of its own. */
const LEAST_FACES = 5_000;
/** A domain that has at least this share of its table is served as well by the table's index. */
const MAIN_SHARE = 0.5;
/** From here on the index of the whole table, at full precision, is too large to be kept in memory for one domain. */
const LARGE_FACES = 200_000;

/** Whether a domain should have an index of its own: it is large, and the table's index holds mostly others' faces. */
export function wantsOwnIndex({ faces, index }: SearchFacts): boolean {
  if (index?.scope === 'domain' || faces < LEAST_FACES) return false;
  return index === null || index.share < MAIN_SHARE || faces >= LARGE_FACES;
}

/** Bytes of a dimension in an index. */
const BYTES: Readonly<Record<IndexedValue, number>> = { vector: 4, halfvec: 2 };

/** Half precision where pgvector has it: half the memory, and distances are computed from the full vectors anyway. */
function indexedValue(dimensions: number, version: Version): IndexedValue | null {
  const best: IndexedValue = isAtLeast(version, '0.7.0') ? 'halfvec' : 'vector';
  return dimensions <= MOST_INDEXED[best] ? best : null;
}

function definition(
  { domain, stored }: Domain,
  indexed: IndexedValue,
  shape: IndexShape,
  concurrently: boolean,
): string {
  const { family } = metricInDatabase(metricOf(stored));
  const m = wholeNumber('m', shape.m, [2, 100], DEFAULT_M);
  const efConstruction = wholeNumber('efConstruction', shape.efConstruction, [4, 1000], Math.max(64, 2 * m));
  return `create index ${concurrently ? 'concurrently ' : ''}${identifier(ownIndexName(stored.table, domain))}
    on ${stored.table} using hnsw ((${indexedExpression(stored, indexed, 'embedding')}) ${indexed}_${family})
    with (m = ${m}, ef_construction = ${efConstruction}) where domain = ${literal(domain)}`;
}

/** One build of an index at a time; true for who may build. The embedded database does one thing at a time anyway. */
async function lock(session: Queryable, name: string): Promise<boolean> {
  if (session.kind === 'embedded') return true;
  const { rows } = await session.query<{ free: boolean }>({
    text: `select pg_try_advisory_lock(hashtext('kith index'), hashtext($1)) as free`,
    values: [name],
  });
  return rows[0]!.free;
}

const unlock = (session: Queryable): Promise<unknown> =>
  session.kind === 'embedded' ? Promise.resolve() : session.query({ text: 'select pg_advisory_unlock_all()' });

async function memoryFor(
  session: Queryable,
  domain: Domain,
  indexed: IndexedValue,
  { memoryMb, m }: IndexShape,
): Promise<number> {
  if (memoryMb !== undefined) return wholeNumber('memoryMb', memoryMb, [1, 1_000_000], memoryMb);
  const { faces } = await readSearchFacts(session, domain);
  return buildMemory(session, faces, domain.stored.dimensions * BYTES[indexed], m);
}

async function build(session: Queryable, domain: Domain, shape: IndexShape, options?: QueryOptions): Promise<void> {
  const version = await pgvectorVersion(session);
  if (version === null) throw new KithError('pgvector-missing', {});
  const indexed = indexedValue(domain.stored.dimensions, version);
  if (indexed === null) return;
  const concurrently = session.kind === 'postgres';
  const memory = await memoryFor(session, domain, indexed, shape);
  const workers = isAtLeast(version, '0.8.2') ? '' : 'set max_parallel_maintenance_workers = 0;';
  await session.query({ text: `set maintenance_work_mem = '${memory}MB'; ${workers} set statement_timeout = 0` });
  try {
    // A build that was killed leaves an index that nothing uses; an old one is replaced.
    await session.query({ text: dropText(domain, concurrently) });
    await session.query({ text: definition(domain, indexed, shape, concurrently) }, options);
  } finally {
    await session
      .query({ text: 'reset maintenance_work_mem; reset max_parallel_maintenance_workers; reset statement_timeout' })
      .catch(() => undefined);
  }
}

const dropText = ({ domain, stored }: Domain, concurrently: boolean): string =>
  `drop index ${concurrently ? 'concurrently ' : ''}if exists ${identifier(ownIndexName(stored.table, domain))}`;

/**
 * Builds, or builds anew, the index of a domain of its own, while it is searched and written. False when another
 * process is just building it. Needs the right to alter the table. Until it is done, searches go as before.
 */
export async function buildDomainIndex(
  database: Database,
  domain: Domain,
  shape: IndexShape = {},
  options?: QueryOptions,
): Promise<boolean> {
  return database.session(async (session) => {
    if (!(await lock(session, ownIndexName(domain.stored.table, domain.domain)))) return false;
    try {
      await build(session, domain, shape, options);
      return true;
    } finally {
      await unlock(session).catch(() => undefined);
    }
  }, options);
}

export async function dropDomainIndex(database: Database, domain: Domain): Promise<void> {
  await database.query({ text: dropText(domain, database.kind === 'postgres') });
}

/** Whether a fault only says that this role may not alter the schema. */
export const isForbidden = (error: unknown): boolean => stateOf(error) === '42501';
