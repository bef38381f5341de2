import type { DatabaseConnection } from '../config/database-connection.js';
import type { Config } from '../config/schema.js';
import { KithError } from '../errors.js';
import type { Database } from '../gallery/database.js';
import { embeddedDatabaseExists } from '../gallery/embedded-folder.js';
import type { SchemaStatus } from '../gallery/gallery.js';
import { type Check, type CheckReport, finding, reportOf } from './check.js';
import {
  checkCredentials,
  checkDeadTuples,
  checkIndexes,
  checkIndexMemory,
  checkMaintenanceMemory,
  checkPgvector,
  checkPostgres,
  checkRole,
  faultDetail,
  readServerTime,
} from './check-database.js';
import { checkDatastores } from './check-datastores.js';
import { checkClock, checkCpu, checkDisk, checkNode } from './check-machine.js';
import { checkHealth, checkPort } from './check-port.js';

/** What `--check` may name, in the order in which they run. `health` runs only when it is named. */
export const CHECK_GROUPS = [
  'node',
  'cpu',
  'disk',
  'clock',
  'port',
  'credentials',
  'database',
  'schema',
  'index',
  'memory',
  'datastores',
  'models',
  'keys',
  'health',
] as const;
export type CheckGroup = (typeof CHECK_GROUPS)[number];

/** The database as `doctor` looks at it: opened without altering anything. */
export interface OpenDatabase extends AsyncDisposable {
  readonly database: Database;
  schema(): Promise<SchemaStatus>;
}

export interface DoctorContext {
  readonly config: Config;
  /** Null: the embedded database. */
  readonly connection: () => Promise<DatabaseConnection | null>;
  readonly open: () => Promise<OpenDatabase>;
  /** The bundled engine and the weights that are installed. */
  readonly models: () => Promise<readonly Check[]>;
  readonly signal?: AbortSignal;
}

export interface DoctorOptions {
  /** Only these; everything but `health` unless given. */
  readonly groups?: readonly CheckGroup[];
  /** How long `health` waits for the service. */
  readonly waitSeconds?: number;
}

/** @throws `check-unknown` */
export function parseGroups(text: string): readonly CheckGroup[] {
  return text.split(',').map((word) => {
    const group = CHECK_GROUPS.find((known) => known === word.trim());
    if (group === undefined)
      throw new KithError('check-unknown', { given: word.trim(), allowed: CHECK_GROUPS.join(', ') });
    return group;
  });
}

const DATABASE_GROUPS: readonly CheckGroup[] = ['clock', 'database', 'schema', 'index', 'memory', 'keys'];

/**
 * Looks at everything that the service needs, and says of each whether it is well and what to do. Changes nothing; does
 * not make a database that is not there. A check that cannot be made is a failure of its own and stops no other.
 */
export async function examine(context: DoctorContext, options: DoctorOptions = {}): Promise<CheckReport> {
  const wanted = new Set<CheckGroup>(options.groups ?? CHECK_GROUPS.filter((group) => group !== 'health'));
  const { config } = context;
  const checks: Check[] = [];
  const run = async (group: CheckGroup, check: () => Check | Promise<Check | readonly Check[]>): Promise<void> => {
    if (!wanted.has(group)) return;
    try {
      checks.push(...[await check()].flat());
    } catch (error) {
      checks.push(finding(group, 'failure', faultDetail(error)));
    }
  };
  await run('node', () => checkNode());
  await run('cpu', checkCpu);
  await run('disk', () => checkDisk({ KITH_DATA: config.data, KITH_STORAGE: config.storage }));
  await run('port', () => checkPort(config, options.groups !== undefined));
  await run('credentials', async () => checkCredentials(await context.connection()));
  if (DATABASE_GROUPS.some((group) => wanted.has(group))) await examineDatabase(context, run);
  await run('datastores', () => checkDatastores(config.storage));
  await run('models', context.models);
  await run('health', () => checkHealth(config, options.waitSeconds ?? 0, context.signal));
  return reportOf(checks);
}

type Run = (group: CheckGroup, check: () => Check | Promise<Check | readonly Check[]>) => Promise<void>;

async function isEmbeddedMissing({ config, connection }: DoctorContext): Promise<boolean> {
  const resolved = await connection().catch(() => 'broken');
  return resolved === null && !embeddedDatabaseExists(config.data);
}

async function examineDatabase(context: DoctorContext, run: Run): Promise<void> {
  if (await isEmbeddedMissing(context)) {
    await run('clock', () => checkClock(null));
    await run('database', () =>
      finding('database', 'ok', `embedded; made in ${context.config.data} at the first start`),
    );
    return;
  }
  let opened: OpenDatabase;
  let begun = 0;
  try {
    opened = await context.open();
    begun = performance.now();
    await opened.database.query({ text: 'select 1' });
  } catch (error) {
    await run('clock', () => checkClock(null));
    await run('database', () => finding('database', 'failure', faultDetail(error)));
    return;
  }
  const milliseconds = performance.now() - begun;
  await using open = opened;
  await examineOpen(context, run, open, milliseconds);
}

async function examineOpen(context: DoctorContext, run: Run, open: OpenDatabase, milliseconds: number): Promise<void> {
  const { database } = open;
  const embedded = database.kind === 'embedded';
  const place = embedded ? `embedded in ${context.config.data}` : ((await context.connection())?.description ?? '');
  await run('clock', async () => checkClock(embedded ? null : await readServerTime(database)));
  await run('database', () =>
    finding('database', 'ok', `${place} answers (${Math.round(milliseconds)} ms to connect and ask)`),
  );
  await run('database', () => checkPostgres(database));
  await run('database', () => checkPgvector(database));
  const status = await open.schema().catch(() => null);
  const tables = status !== null && status.state !== 'missing';
  await run('schema', () => checkSchema(open));
  if (!tables) return;
  if (!embedded) await run('schema', () => checkRole(database));
  await run('index', () => checkIndexes(database));
  await run('index', () => checkDeadTuples(database));
  // PGlite's settings are its own, and its memory is this process's.
  if (!embedded) await run('memory', () => checkIndexMemory(database));
  if (!embedded) await run('memory', () => checkMaintenanceMemory(database));
  if (status.state === 'current') await run('keys', () => checkKeys(context, open));
}

async function checkSchema(open: OpenDatabase): Promise<Check> {
  const status = await open.schema();
  switch (status.state) {
    case 'current':
      return finding('schema', 'ok', `version ${status.version}`);
    case 'missing':
      return finding(
        'schema',
        'warning',
        'no tables yet; kith serve, migrate or enroll makes them, or kith db migrate as the owner',
      );
    case 'old-service':
      return finding(
        'schema',
        'warning',
        "the old service's two tables; kith db migrate takes them over in place and loses nothing",
      );
    case 'old':
      return finding(
        'schema',
        'warning',
        `version ${status.version} of ${status.latest}; kith db migrate, as the owner of the tables`,
      );
    case 'newer':
      return finding(
        'schema',
        'failure',
        `version ${status.version} is newer than the ${status.latest} that this Kith knows; upgrade it`,
      );
  }
}

async function checkKeys({ config }: DoctorContext, open: OpenDatabase): Promise<Check> {
  const { ApiKeys } = await import('./keys.js');
  const keys = await new ApiKeys(open.database).list();
  const usable = keys.filter((key) => key.revokedAt === null && (key.expiresAt === null || key.expiresAt > new Date()));
  const loopback = ['127.0.0.1', '::1', 'localhost'].includes(config.host);
  if (usable.length === 0)
    return loopback
      ? finding('keys', 'ok', 'none: the service listens on loopback only')
      : finding(
          'keys',
          'failure',
          `none, and KITH_HOST is ${config.host}: the service will not start; kith keys create`,
        );
  const soon = usable.filter((key) => key.expiresAt !== null && key.expiresAt.getTime() - Date.now() < 7 * 86_400_000);
  if (soon.length > 0)
    return finding(
      'keys',
      'warning',
      `${soon.map((key) => key.id).join(', ')} will expire within a week; kith keys create a new one`,
    );
  return finding('keys', 'ok', `${usable.length} in force`);
}
