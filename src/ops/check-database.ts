import type { DatabaseConnection, PasswordOrigin } from '../config/database-connection.js';
import { KithError } from '../errors.js';
import type { Queryable } from '../gallery/database.js';
import { type Check, finding } from './check.js';
import { bytes } from './check-machine.js';

const ORIGINS: Readonly<Record<PasswordOrigin, string>> = {
  url: 'the password is in VECTOR_DB_URL',
  'url-file': 'the password is in the file of VECTOR_DB_URL_FILE',
  PGPASSWORD: 'the password is in PGPASSWORD',
  'password-file': 'the password is in the password file',
  vault: 'the password comes from Vault',
  none: 'no password is configured; the server may not want one',
};

/** Where the password comes from, and whether that is a good place. */
export function checkCredentials(connection: DatabaseConnection | null): Check {
  if (connection === null) return finding('credentials', 'ok', 'the embedded database needs none');
  const detail = `${connection.description}: ${ORIGINS[connection.passwordOrigin]}`;
  const local = ['localhost', '127.0.0.1', '::1'].includes(connection.host) || connection.host.startsWith('/');
  if (!local && connection.ssl === false)
    return finding('credentials', 'warning', `${detail}; the connection is not encrypted: add sslmode=verify-full`);
  return finding('credentials', 'ok', detail);
}

/** What a fault says, for a line of a report. */
export function faultDetail(error: unknown): string {
  if (!(error instanceof KithError))
    return error instanceof Error ? error.message.split('\n', 1)[0]! : 'an unforeseen fault';
  return error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
}

async function one<Row extends object>(database: Queryable, text: string): Promise<Row> {
  const { rows } = await database.query<Row>({ text });
  if (rows[0] === undefined) throw new KithError('internal', { what: 'a check got no row' });
  return rows[0];
}

/** PostgreSQL's own version. */
export async function checkPostgres(database: Queryable): Promise<Check> {
  const { number, version } = await one<{ number: number; version: string }>(
    database,
    `select current_setting('server_version_num')::int as number, current_setting('server_version') as version`,
  );
  const major = Math.floor(number / 10_000);
  if (major < 15) return finding('postgresql', 'failure', `PostgreSQL ${version} is too old; 15 to 18 are supported`);
  if (major > 18) return finding('postgresql', 'warning', `PostgreSQL ${version} is newer than the 18 that was tried`);
  return finding('postgresql', 'ok', `PostgreSQL ${version}`);
}

/** Known faults of pgvector, by the version that mended each (its changelog). */
const PGVECTOR_FAULTS: readonly (readonly [fixed: string, fault: string])[] = [
  ['0.8.2', 'a parallel HNSW build can overflow a buffer (Kith builds without parallel workers)'],
  ['0.8.3', 'vacuum can corrupt an HNSW index'],
  ['0.8.4', 'vacuum can leave "graph not repaired"'],
];

const order = (version: string): number =>
  version.split('.').reduce((sum, part) => sum * 1_000 + (Number.parseInt(part, 10) || 0), 0);

export function checkPgvectorVersion(version: string): Check {
  if (order(version) < order('0.5.0'))
    return finding(
      'pgvector',
      'failure',
      `pgvector ${version} has no HNSW index; install 0.8.4 or newer, then: alter extension vector update`,
    );
  const lacks = [
    ...(order(version) < order('0.7.0') ? ['no half-precision index (0.7)'] : []),
    ...(order(version) < order('0.8.0') ? ['no iterative scan (0.8)'] : []),
  ];
  const faults = PGVECTOR_FAULTS.filter(([fixed]) => order(version) < order(fixed)).map(
    ([fixed, fault]) => `${fault} (mended in ${fixed})`,
  );
  if (faults.length === 0) return finding('pgvector', 'ok', `pgvector ${version}`);
  const what = [...lacks, ...faults].join('; ');
  return finding(
    'pgvector',
    'warning',
    `pgvector ${version}: ${what}. Install 0.8.4 or newer, then: alter extension vector update`,
  );
}

export async function checkPgvector(database: Queryable): Promise<Check> {
  const { installed, available } = await one<{ installed: string | null; available: string | null }>(
    database,
    `select (select extversion from pg_extension where extname = 'vector') as installed,
      (select default_version from pg_available_extensions where name = 'vector') as available`,
  );
  if (installed !== null) return checkPgvectorVersion(installed);
  if (available !== null)
    return finding(
      'pgvector',
      'failure',
      `the extension is not in this database; as an administrator: create extension vector (or kith db init)`,
    );
  return finding(
    'pgvector',
    'failure',
    'pgvector is not installed on the server; Debian: apt install postgresql-17-pgvector',
  );
}

interface IndexRow {
  readonly index: string;
  readonly table: string;
  readonly valid: boolean;
  readonly hnsw: boolean;
  readonly bytes: string;
}

const FACE_TABLES = `select 'persons'::text as name union all select 'face_embeddings'
  union all select relname::text from pg_class where relkind = 'r' and relname ~ '^face_embeddings_[0-9]+$'`;

/** The indexes of persons and of every table of faces. */
export async function readFaceIndexes(database: Queryable): Promise<readonly IndexRow[]> {
  const { rows } = await database.query<IndexRow>({
    text: `select c.relname::text as index, t.relname::text as table, i.indisvalid and i.indisready as valid,
        m.amname = 'hnsw' as hnsw, pg_relation_size(c.oid)::text as bytes
      from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
        join pg_am m on m.oid = c.relam
      where i.indrelid in (select to_regclass(quote_ident(name)) from (${FACE_TABLES}) tables)
      order by t.relname, c.relname`,
  });
  return rows;
}

/** Indexes of the old service's two tables: keys, look-ups and one HNSW. */
const LEAST_INDEXES: Readonly<Record<string, number>> = { persons: 4, face_embeddings: 4 };

/** The eight indexes of the two tables (and those of every further space) are there and usable. */
export async function checkIndexes(database: Queryable): Promise<Check> {
  const indexes = await readFaceIndexes(database);
  const invalid = indexes.filter((index) => !index.valid).map((index) => index.index);
  if (invalid.length > 0)
    return finding(
      'indexes',
      'failure',
      `not usable: ${invalid.join(', ')}; when no build runs: drop index concurrently, then kith db migrate or kith tune`,
    );
  for (const [table, least] of Object.entries(LEAST_INDEXES)) {
    const count = indexes.filter((index) => index.table === table).length;
    if (count < least)
      return finding('indexes', 'failure', `${table} has ${count} of its ${least} indexes; kith db migrate makes them`);
  }
  const hnsw = indexes.filter((index) => index.hnsw).length;
  return finding('indexes', 'ok', `${indexes.length} indexes, ${hnsw} of them HNSW, all usable`);
}

interface Memory {
  readonly sharedBuffers: string;
  readonly cache: string;
  readonly maintenance: string;
}

const memoryOf = (database: Queryable): Promise<Memory> =>
  one<Memory>(
    database,
    `select pg_size_bytes(current_setting('shared_buffers'))::text as "sharedBuffers",
      pg_size_bytes(current_setting('effective_cache_size'))::text as cache,
      pg_size_bytes(current_setting('maintenance_work_mem'))::text as maintenance`,
  );

/** An HNSW index that is read from disk is slow: its pages are visited in no order. */
export async function checkIndexMemory(database: Queryable): Promise<Check> {
  const indexes = (await readFaceIndexes(database)).filter((index) => index.hnsw);
  const size = indexes.reduce((sum, index) => sum + Number(index.bytes), 0);
  const { sharedBuffers, cache } = await memoryOf(database);
  const detail = `HNSW indexes take ${bytes(size)}; shared_buffers ${bytes(Number(sharedBuffers))}, effective_cache_size ${bytes(Number(cache))}`;
  if (size > Math.max(Number(cache), Number(sharedBuffers)))
    return finding(
      'index-memory',
      'warning',
      `${detail}: they do not fit; add memory, or set effective_cache_size to what the machine really has`,
    );
  return finding('index-memory', 'ok', detail);
}

/** Room for the graph while an index is built; without it the build turns to disk and takes ten times as long. */
export async function checkMaintenanceMemory(database: Queryable): Promise<Check> {
  const { maintenance } = await memoryOf(database);
  const largest = Math.max(
    0,
    ...(await readFaceIndexes(database)).filter((index) => index.hnsw).map((index) => Number(index.bytes)),
  );
  const needed = largest * 1.3;
  const detail = `maintenance_work_mem is ${bytes(Number(maintenance))}`;
  // Kith sets 512 MB for its own builds; an administrator's REINDEX has the server's setting.
  if (needed > Number(maintenance) && needed > 512 * 1024 ** 2)
    return finding(
      'maintenance-memory',
      'warning',
      `${detail}; rebuilding the largest index wants about ${bytes(needed)}: set it for that session`,
    );
  return finding('maintenance-memory', 'ok', detail);
}

export async function checkDeadTuples(database: Queryable): Promise<Check> {
  const { rows } = await database.query<{ table: string; dead: string; live: string }>({
    text: `select relname::text as table, n_dead_tup::text as dead, n_live_tup::text as live from pg_stat_user_tables
      where relid in (select to_regclass(quote_ident(name)) from (${FACE_TABLES}) tables)`,
  });
  const bad = rows.filter(({ dead, live }) => Number(dead) > 1_000 && Number(dead) > 0.2 * Number(live));
  if (bad.length > 0) {
    const named = bad.map(({ table, dead, live }) => `${table} (${dead} dead, ${live} live)`).join(', ');
    return finding(
      'dead-tuples',
      'warning',
      `${named}: searches visit the dead too; vacuum (analyze), then reindex index concurrently`,
    );
  }
  const dead = rows.reduce((sum, row) => sum + Number(row.dead), 0);
  return finding('dead-tuples', 'ok', `${dead} dead rows in ${rows.length} tables`);
}

/** What the service's role may: everything it needs, and nothing that `kith db init` would keep from it. */
export async function checkRole(database: Queryable): Promise<Check> {
  const role = await one<{ name: string; super: boolean; owner: boolean; writes: boolean }>(
    database,
    `select current_user::text as name, r.rolsuper as super,
        coalesce((select pg_has_role(current_user, relowner, 'usage') from pg_class where oid = to_regclass('persons')), false) as owner,
        coalesce(has_table_privilege(to_regclass('face_embeddings'), 'select,insert,update,delete'), false) as writes
      from pg_roles r where r.rolname = current_user`,
  );
  if (!role.writes)
    return finding(
      'role',
      'failure',
      `the role ${role.name} may not read and write face_embeddings; kith db init grants it`,
    );
  if (role.super)
    return finding(
      'role',
      'warning',
      `the role ${role.name} is a superuser; kith db init makes a role that may only what the service needs`,
    );
  if (role.owner)
    return finding('role', 'ok', `the role ${role.name} owns the tables: it may also bring the schema up to date`);
  return finding('role', 'ok', `the role ${role.name} may read and write, not alter the schema`);
}

/** The server's clock beside this one's, half a round trip allowed for. */
export async function readServerTime(database: Queryable): Promise<{ readonly server: number; readonly here: number }> {
  const before = Date.now();
  const { now } = await one<{ now: number }>(
    database,
    'select extract(epoch from clock_timestamp())::float8 * 1000 as now',
  );
  return { server: Number(now), here: (before + Date.now()) / 2 };
}
