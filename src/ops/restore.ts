import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { DatabaseConnection } from '../config/database-connection.js';
import { KithError } from '../errors.js';
import type { Database } from '../gallery/database.js';
import { embeddedDatabaseExists } from '../gallery/embedded-folder.js';
import { countRows, serverMajor } from './backup.js';
import { replaceEmbedded, unpackEmbedded } from './backup-embedded.js';
import { findPostgresProgram, type ProgramSearch, runPostgresProgram } from './postgres-program.js';

export interface RestoreReport {
  readonly file: string;
  readonly kind: 'postgres' | 'embedded';
  readonly persons: number;
  readonly faces: number;
  readonly seconds: number;
  /** Where the embedded database that was there is kept; null when there was none. */
  readonly kept: string | null;
}

export interface RestoreOptions {
  /** The gallery that is there may go. */
  readonly replace?: boolean;
  readonly signal?: AbortSignal;
}

/** What a file is, by its first bytes: pg_dump's custom format, or a gzip archive of the embedded database. */
export async function backupKind(file: string): Promise<'postgres' | 'embedded'> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(5), 0, 5, 0);
    if (buffer.toString('latin1', 0, bytesRead) === 'PGDMP') return 'postgres';
    if (bytesRead >= 2 && buffer[0] === 0x1f && buffer[1] === 0x8b) return 'embedded';
  } finally {
    await handle.close();
  }
  throw new KithError('backup-unreadable', { why: 'it is neither of pg_dump nor of the embedded database' });
}

/** Persons in a database whose tables may not be there yet. */
async function personsIn(database: Database): Promise<number> {
  const { rows } = await database.query<{ there: boolean }>({
    text: "select to_regclass('persons') is not null as there",
  });
  if (rows[0]?.there !== true) return 0;
  const counted = await database.query<{ persons: number }>({ text: 'select count(*)::int as persons from persons' });
  return counted.rows[0]?.persons ?? 0;
}

/** The archive's table of contents without extensions: their owner is an administrator, and they are there already. */
const withoutExtensions = (contents: string): string =>
  contents
    .split('\n')
    .filter((line) => !/^\d+; \d+ \d+ (EXTENSION|COMMENT - EXTENSION) /.test(line))
    .join('\n');

/**
 * Restores pg_dump's file into a database that has the extension, in one transaction: all of it or nothing.
 * @throws `restore-occupied`, `backup-unreadable`, `program-…`
 */
export async function restoreServer(
  file: string,
  target: { readonly connection: DatabaseConnection; readonly database: Database; readonly search: ProgramSearch },
  options: RestoreOptions = {},
): Promise<RestoreReport> {
  const begun = performance.now();
  const { connection, database, search } = target;
  if ((await backupKind(file)) !== 'postgres')
    throw new KithError('backup-unreadable', {
      why: 'it is of an embedded database; unset VECTOR_DB_URL to restore it',
    });
  const persons = await personsIn(database);
  if (persons > 0 && options.replace !== true)
    throw new KithError('restore-occupied', { database: connection.database, persons });
  await database.query({ text: 'create extension if not exists vector' });
  const program = await findPostgresProgram('pg_restore', await serverMajor(database), search);
  const folder = await mkdtemp(join(tmpdir(), 'kith-restore-'));
  try {
    const contents = join(folder, 'contents');
    await writeFile(
      contents,
      withoutExtensions(await runPostgresProgram(program, ['--list', file], null, options.signal)),
    );
    const flags = [
      '--no-owner',
      '--no-privileges',
      '--no-comments',
      '--single-transaction',
      '--exit-on-error',
      '--no-password',
    ];
    const clean = options.replace === true ? ['--clean', '--if-exists'] : [];
    const args = [...flags, ...clean, `--use-list=${contents}`, `--dbname=${connection.database}`, resolve(file)];
    await runPostgresProgram(program, args, connection, options.signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  await database.query({ text: 'analyze' });
  return {
    file: resolve(file),
    kind: 'postgres',
    ...(await countRows(database)),
    seconds: (performance.now() - begun) / 1_000,
    kept: null,
  };
}

/** Opens the embedded database of a folder; the caller closes it. */
export type OpenEmbedded = (folder: string) => Database;

/** Holds a folder so that nobody opens its database; throws when somebody has. */
export type HoldFolder = (folder: string) => Promise<Disposable>;

/**
 * Restores an archive of an embedded database. It is opened and counted beside its place before it takes that place;
 * the database that was there is kept.
 * @throws `restore-occupied`, `backup-unreadable`, `instance-running`
 */
export async function restoreEmbedded(
  file: string,
  target: { readonly folder: string; readonly open: OpenEmbedded; readonly hold: HoldFolder },
  options: RestoreOptions = {},
): Promise<RestoreReport> {
  const begun = performance.now();
  const { folder } = target;
  if ((await backupKind(file)) !== 'embedded')
    throw new KithError('backup-unreadable', { why: 'it is of pg_dump; set VECTOR_DB_URL to restore it' });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (options.replace !== true) await assertEmpty(target);
  const staging = await unpackEmbedded(file, folder);
  try {
    const rows = await countIn(target.open(staging));
    using _held = await target.hold(folder);
    const kept = await replaceEmbedded(staging, folder);
    return { file: resolve(file), kind: 'embedded', ...rows, seconds: (performance.now() - begun) / 1_000, kept };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function assertEmpty({
  folder,
  open: openEmbedded,
}: {
  readonly folder: string;
  readonly open: OpenEmbedded;
}): Promise<void> {
  if (!embeddedDatabaseExists(folder)) return;
  await using database = openEmbedded(folder);
  const persons = await personsIn(database);
  if (persons > 0) throw new KithError('restore-occupied', { database: folder, persons });
}

async function countIn(opened: Database): Promise<{ readonly persons: number; readonly faces: number }> {
  await using database = opened;
  try {
    return await countRows(database);
  } catch (cause) {
    throw new KithError('backup-unreadable', { why: 'the database in it does not open' }, { cause });
  }
}
