import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { DatabaseConnection } from '../config/database-connection.js';
import { KithError } from '../errors.js';
import type { Database } from '../gallery/database.js';
import { packEmbedded } from './backup-embedded.js';
import { findPostgresProgram, type ProgramSearch, runPostgresProgram } from './postgres-program.js';

/** What is backed up: a server's database by pg_dump, or the folder of the embedded one. */
export type BackupSource =
  | { readonly kind: 'postgres'; readonly connection: DatabaseConnection; readonly search: ProgramSearch }
  | { readonly kind: 'embedded'; readonly folder: string };

export interface BackupReport {
  readonly file: string;
  readonly kind: BackupSource['kind'];
  readonly bytes: number;
  /** Of the file, hex. */
  readonly sha256: string;
  readonly persons: number;
  readonly faces: number;
  readonly seconds: number;
}

/** Rows of the two tables and of every further space's, for the report and to hold a restored database against. */
export async function countRows(database: Database): Promise<{ readonly persons: number; readonly faces: number }> {
  const tables = await database.query<{ table: string }>({
    text: 'select table_name as table from kith_spaces order by id',
  });
  const faces = tables.rows.map(({ table }) => `(select count(*) from "${table.replaceAll('"', '""')}")`).join(' + ');
  const { rows } = await database.query<{ persons: number; faces: number }>({
    text: `select (select count(*) from persons)::int as persons, (${faces === '' ? '0' : faces})::int as faces`,
  });
  return rows[0] ?? { persons: 0, faces: 0 };
}

export async function serverMajor(database: Database): Promise<number> {
  const { rows } = await database.query<{ major: number }>({
    text: `select current_setting('server_version_num')::int / 10000 as major`,
  });
  return rows[0]?.major ?? 0;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function dumpServer(
  source: Extract<BackupSource, { kind: 'postgres' }>,
  database: Database,
  draft: string,
  signal?: AbortSignal,
): Promise<void> {
  const { connection, search } = source;
  const major = await serverMajor(database);
  const dump = await findPostgresProgram('pg_dump', major, search);
  await runPostgresProgram(
    dump,
    ['--format=custom', '--no-password', '--lock-wait-timeout=60s', `--file=${draft}`],
    connection,
    signal,
  );
  // Reading the table of contents back proves that the file is whole up to its end.
  const restore = await findPostgresProgram('pg_restore', major, search);
  await runPostgresProgram(restore, ['--list', draft], null, signal);
}

/**
 * Writes a backup: of a server's database in pg_dump's custom format, consistent as of one moment, while everything
 * goes on; of the embedded database as an archive of its folder, taken while its one backend is held (writers wait).
 * The file appears when it is whole, and never in the place of another.
 * @throws `backup-exists`, `program-missing`, `program-failed`
 */
export async function backup(
  source: BackupSource,
  database: Database,
  file: string,
  signal?: AbortSignal,
): Promise<BackupReport> {
  const begun = performance.now();
  const target = resolve(file);
  if (
    await access(target).then(
      () => true,
      () => false,
    )
  )
    throw new KithError('backup-exists', { file: target });
  await mkdir(dirname(target), { recursive: true });
  const draft = `${target}.part`;
  try {
    const rows = await countRows(database);
    if (source.kind === 'postgres') await dumpServer(source, database, draft, signal);
    else await packEmbedded(source.folder, database, draft, signal);
    await rename(draft, target);
    const { size } = await stat(target);
    const seconds = (performance.now() - begun) / 1_000;
    return { file: target, kind: source.kind, bytes: size, sha256: await sha256Of(target), ...rows, seconds };
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
