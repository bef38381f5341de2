import { KithError } from '../errors.js';
import type { Database, Queryable, QueryOptions } from './database.js';
import { ensurePgvector, isAtLeast, type Version } from './pgvector.js';
import { appliedVersions, assertCurrent, pending, schemaStatus } from './schema-status.js';
import { checkTakeOver } from './schema-takeover.js';
import { identifier, literal } from './sql-values.js';

/** One lock for all migrations of a database; in a transaction, because the embedded one shares its session. */
const LOCK = `select pg_advisory_xact_lock(hashtext('kith schema'))`;

/** Writers of the old service wait while a table is written anew; a stuck one must not make them wait for ever. */
const SETTINGS = `set local lock_timeout = '60s'; set local statement_timeout = 0; set local client_min_messages = warning`;

async function setPath(database: Queryable): Promise<void> {
  const { rows } = await database.query<{ home: string; vectors: string }>({
    text: `select coalesce((select relnamespace::regnamespace::text from pg_class where oid = to_regclass('persons')),
          quote_ident(current_schema())) as home,
        (select extnamespace::regnamespace::text from pg_extension where extname = 'vector') as vectors`,
  });
  const { home, vectors } = rows[0]!;
  await database.query({ text: `set local search_path = ${home}, ${vectors}` });
}

/** Memory for index builds, and no parallel one where pgvector can overflow a buffer in it (before 0.8.2). */
export async function allowBuilds(database: Queryable, version: Version, memoryMb: number): Promise<void> {
  const workers = isAtLeast(version, '0.8.2') ? '' : 'set local max_parallel_maintenance_workers = 0;';
  await database.query({ text: `${workers} set local maintenance_work_mem = ${literal(`${memoryMb}MB`)}` });
}

async function apply(database: Queryable): Promise<readonly number[]> {
  await database.query({ text: `${SETTINGS}; ${LOCK}` });
  const version = await ensurePgvector(database);
  await setPath(database);
  // Read under the lock: another process may just have done it all.
  const status = await schemaStatus(database);
  if (status.state === 'current') return [];
  if (status.state === 'newer') assertCurrent(status);
  if (status.state === 'old-service') await checkTakeOver(database);
  await allowBuilds(database, version, 512);
  await database.query({
    text: `create table if not exists kith_schema (
      version integer primary key, name text not null, applied_at timestamptz not null default now())`,
  });
  const missing = pending(await appliedVersions(database));
  for (const migration of missing) {
    await database.query({ text: migration.sql });
    await database.query({
      text: 'insert into kith_schema (version, name) values ($1, $2)',
      values: [migration.version, migration.name],
    });
  }
  return missing.map((migration) => migration.version);
}

/** The service's role may not alter the schema (kith db init): say who may, and with which command. */
async function explainRefusal(database: Database, state: string, error: unknown): Promise<never> {
  if (!(error instanceof KithError) || error.code !== 'database-permission') throw error;
  const { rows } = await database.query<{ role: string; owner: string }>({
    text: `select current_user::text as role, coalesce(
        (select relowner::regrole::text from pg_class where oid = to_regclass('kith_schema')),
        (select nspowner::regrole::text from pg_namespace where nspname = current_schema()), 'its owner') as owner`,
  });
  const { role, owner } = rows[0]!;
  throw new KithError('schema-rights', { state, role, owner }, { cause: error });
}

/**
 * Brings the schema up to date in one transaction, under a lock: two at once are safe, and a kill leaves what was.
 * Answers the versions that were applied. Throws `schema-newer`, `schema-foreign`, `schema-owner`,
 * `schema-rights`, `pgvector-…`.
 */
export async function migrateSchema(database: Database, options?: QueryOptions): Promise<readonly number[]> {
  const status = await schemaStatus(database, options);
  if (status.state === 'current') return [];
  if (status.state === 'newer') assertCurrent(status);
  const applied = await database
    .transaction((transaction) => apply(transaction), options)
    .catch((error: unknown) => explainRefusal(database, status.state, error));
  for (const table of ['persons', 'face_embeddings'])
    await database.query({ text: `analyze ${identifier(table)}` }, options);
  return applied;
}
