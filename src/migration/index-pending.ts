import { KithError } from '../errors.js';
import type { Database, Queryable } from '../gallery/database.js';
import { stateOf } from '../gallery/database-fault.js';
import { buildMemory } from '../gallery/index-memory.js';
import { pgvectorVersion } from '../gallery/pgvector.js';
import { allowBuilds } from '../gallery/schema-migrate.js';
import { identifier } from '../gallery/sql-values.js';
import type { ProgressMeter } from './progress.js';

/**
 * An HNSW index is built several times faster over loaded rows than row by row. So a big load into an **empty** table
 * drops its HNSW indexes first and builds them when all rows are in. What was dropped is written down, in the same
 * transaction, in `kith_pending_indexes`: whatever is killed when, the next migration (or start of the service) finds the
 * definitions there and builds them. A table that holds a single row never loses an index, and until the build is done
 * searches are exact.
 */

/** An index that waits to be built. */
export interface PendingIndex {
  readonly id: string;
  readonly table_name: string;
  readonly definition: string;
}

/** Milliseconds to wait for a table that somebody uses; then it is loaded with its index in place. */
const LOCK_TIMEOUT = 2000;

async function isEmpty(database: Queryable, table: string): Promise<boolean> {
  const { rows } = await database.query<{ filled: boolean }>({
    text: `select exists (select from ${identifier(table)}) as filled`,
  });
  return rows[0]?.filled === false;
}

/** Drops the HNSW indexes of a table without rows, and writes them down. False when it has rows or is in use. */
export async function setIndexesAside(database: Database, table: string, signal?: AbortSignal): Promise<boolean> {
  if (!(await isEmpty(database, table))) return false;
  try {
    return await database.transaction((transaction) => dropWhenEmpty(transaction, table), signal ? { signal } : {});
  } catch (fault) {
    if (isLockTimeout(fault)) return false;
    throw fault;
  }
}

async function dropWhenEmpty(transaction: Queryable, table: string): Promise<boolean> {
  await transaction.query({ text: `set local lock_timeout = ${LOCK_TIMEOUT}` });
  await transaction.query({ text: `lock table ${identifier(table)} in access exclusive mode` });
  if (!(await isEmpty(transaction, table))) return false;
  const { rows } = await transaction.query<{ index_name: string }>({
    text: `
      insert into kith_pending_indexes (table_name, index_name, definition)
      select $2, index.relname, pg_get_indexdef(index.oid)
      from pg_index join pg_class index on index.oid = indexrelid join pg_am on pg_am.oid = index.relam
      where indrelid = $1::regclass and amname = 'hnsw'
      returning index_name`,
    values: [identifier(table), table],
  });
  for (const { index_name } of rows) await transaction.query({ text: `drop index ${identifier(index_name)}` });
  return true;
}

const isLockTimeout = (fault: unknown): boolean => states(fault).includes('55P03');
/** disk_full and out_of_memory: how a shared memory segment that cannot be had is reported. */
const isOutOfSpace = (fault: unknown): boolean => states(fault).some((state) => state === '53100' || state === '53200');

/** The SQLSTATEs of a fault and its causes. */
function states(fault: unknown): string[] {
  return fault instanceof Error ? [stateOf(fault), ...states(fault.cause)] : [];
}

export async function pendingIndexes(database: Queryable): Promise<readonly PendingIndex[]> {
  const { rows } = await database.query<PendingIndex>({
    text: 'select id::text, table_name, definition from kith_pending_indexes order by kith_pending_indexes.id',
  });
  return rows;
}

/**
 * Builds every index that a killed migration left to be built; for the start of a service. A migration that runs at
 * this moment builds its own: then nothing is done. Answers how many were built.
 */
export async function buildPendingIndexes(database: Database, signal?: AbortSignal): Promise<number> {
  const pending = await pendingIndexes(database);
  if (pending.length === 0 || (await isMigrating(database))) return 0;
  for (const index of pending) await buildPendingIndex(database, index, null, signal);
  return pending.length;
}

async function isMigrating(database: Queryable): Promise<boolean> {
  const { rows } = await database.query<{ running: boolean }>({
    text: `
      select exists (select from pg_locks where locktype = 'advisory' and classid::bigint = hashtext('kith migrate')::bigint & 4294967295
                     and database = (select oid from pg_database where datname = current_database())) as running`,
  });
  return rows[0]?.running === true;
}

/** Builds those over tables that are still empty. */
export async function buildEmptyIndexes(database: Database): Promise<void> {
  for (const index of await pendingIndexes(database))
    if (await isEmpty(database, index.table_name)) await buildPendingIndex(database, index, null, undefined);
}

export async function buildPendingIndex(
  database: Database,
  pending: PendingIndex,
  meter: ProgressMeter | null,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Statistics of vectors serve nothing and cost more than all the others.
  const columns = 'id, person_id, image_path, domain';
  await database.query({ text: `analyze ${identifier(pending.table_name)} (${columns})` }, signal ? { signal } : {});
  const memory = await memoryFor(database, pending.table_name);
  await using _watch = watchBuild(database, pending.table_name, meter);
  try {
    await buildOnce(database, pending, memory, 'parallel', signal);
  } catch (fault) {
    // A parallel build needs shared memory that a container may not have.
    if (!isOutOfSpace(fault)) throw fault;
    await buildOnce(database, pending, memory, 'serial', signal);
  }
}

/** What the table's size asks for; see {@link buildMemory}. */
async function memoryFor(database: Queryable, table: string): Promise<number> {
  const { rows } = await database.query<{ faces: number; bytes: number }>({
    text: `
      select greatest(reltuples, 0)::float8 as faces, (atttypmod * 4)::float8 as bytes
      from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'embedding'
      where pg_class.oid = $1::regclass`,
    values: [identifier(table)],
  });
  const { faces, bytes } = rows[0]!;
  return buildMemory(database, faces, bytes);
}

async function buildOnce(
  database: Database,
  pending: PendingIndex,
  memoryMb: number,
  how: 'parallel' | 'serial',
  signal: AbortSignal | undefined,
): Promise<void> {
  const cancellable = signal ? { signal } : {};
  await database.transaction(async (transaction) => {
    const version = await pgvectorVersion(transaction);
    if (version === null) throw new KithError('pgvector-missing', {});
    await transaction.query({
      text: `set local statement_timeout = 0; set local lock_timeout = 0;
        set local max_parallel_maintenance_workers = ${how === 'parallel' ? 4 : 0}`,
    });
    await allowBuilds(transaction, version, memoryMb);
    // Whoever else builds it waits here, and then finds it done.
    const { rowCount } = await transaction.query(
      { text: 'delete from kith_pending_indexes where id = $1::bigint', values: [pending.id] },
      cancellable,
    );
    if (rowCount === 1) await transaction.query({ text: idempotent(pending.definition) }, cancellable);
  }, cancellable);
}

/** `pg_get_indexdef` names the index; one of that name that somebody else built meanwhile will do. */
const idempotent = (definition: string): string => definition.replace(/^CREATE INDEX /, 'CREATE INDEX IF NOT EXISTS ');

/** Reports the progress of a build from a second connection; the embedded database has none. */
function watchBuild(database: Database, table: string, meter: ProgressMeter | null): AsyncDisposable {
  meter?.begin('indexing');
  if (meter === null || database.kind === 'embedded')
    return {
      [Symbol.asyncDispose]: async () => meter?.end(),
    };
  let asked: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    asked = asked.then(() => reportBuild(database, table, meter)).catch(() => undefined);
  }, 500);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await asked;
      meter.end();
    },
  };
}

async function reportBuild(database: Database, table: string, meter: ProgressMeter): Promise<void> {
  const { rows } = await database.query<{ done: number; total: number }>({
    text: `
      select (blocks_done::float8 / nullif(blocks_total, 0) * greatest(reltuples, 0)) as done, greatest(reltuples, 0)::float8 as total
      from pg_stat_progress_create_index join pg_class on pg_class.oid = relid
      where relid = $1::regclass`,
    values: [identifier(table)],
  });
  const [build] = rows;
  if (build !== undefined) meter.advance(Math.round(build.done ?? 0), Math.round(build.total));
}
