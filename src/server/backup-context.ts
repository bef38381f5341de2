import { loadConfig } from '../config/config.js';
import { resolveDatabaseConnection } from '../config/database-connection.js';
import { environment } from '../config/environment.js';
import type { Config } from '../config/schema.js';
import { KithError } from '../errors.js';
import { openEmbeddedDatabase } from '../gallery/embedded-database.js';
import { claimFolder } from '../gallery/embedded-lock.js';
import { embeddedSocketPath } from '../gallery/embedded-socket.js';
import { type BackupReport, type BackupSource, backup } from '../ops/backup.js';
import type { ProgramSearch } from '../ops/postgres-program.js';
import { type RestoreOptions, type RestoreReport, restoreEmbedded, restoreServer } from '../ops/restore.js';
import { openDatabaseOf } from './services.js';

const programs = (config: Config): ProgramSearch => ({
  folder: config.postgresPrograms,
  path: environment().PATH ?? '',
});

/** The configured database, open, with what a backup of it needs. */
export async function openBackup(): Promise<
  AsyncDisposable & {
    readonly source: BackupSource;
    backup(file: string, signal: AbortSignal): Promise<BackupReport>;
  }
> {
  const config = loadConfig();
  const connection = await resolveDatabaseConnection();
  const source: BackupSource =
    connection === null
      ? { kind: 'embedded', folder: config.data }
      : { kind: 'postgres', connection, search: programs(config) };
  const gallery = await openDatabaseOf(config, { schema: 'any' });
  return {
    source,
    backup: (file, signal) => backup(source, gallery.database, file, signal),
    [Symbol.asyncDispose]: () => gallery.close(),
  };
}

/** Nobody may open the embedded database while another takes its place. */
async function holdFolder(folder: string): Promise<Disposable> {
  const claimed = await claimFolder(folder, embeddedSocketPath(folder));
  if ('pid' in claimed)
    throw new KithError('instance-running', { what: 'the embedded database', pid: claimed.pid, file: folder });
  return { [Symbol.dispose]: () => claimed.release() };
}

/** @throws what {@link restoreServer} and {@link restoreEmbedded} throw */
export async function restoreConfigured(file: string, options: RestoreOptions): Promise<RestoreReport> {
  const config = loadConfig();
  const connection = await resolveDatabaseConnection();
  if (connection === null) {
    const target = { folder: config.data, open: openEmbeddedDatabase, hold: holdFolder };
    return restoreEmbedded(file, target, options);
  }
  await using gallery = await openDatabaseOf(config, { schema: 'any' });
  const target = { connection, database: gallery.database, search: programs(config) };
  return await restoreServer(file, target, options);
}
