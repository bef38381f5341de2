import { execFile } from 'node:child_process';
import { access, constants, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { DatabaseConnection } from '../config/database-connection.js';
import { pgpassLine } from '../config/password-pgpass.js';
import { Secret } from '../config/secret.js';
import { KithError } from '../errors.js';

const run = promisify(execFile);
/** Where packages put each major version's programs: Debian, Red Hat. */
const VERSIONED = ['/usr/lib/postgresql', '/usr'] as const;
const OUTPUT_BYTES = 64 * 1024 ** 2;

export interface ProgramSearch {
  /** `KITH_PG_BIN`: then nothing else is looked at. */
  readonly folder: string | null;
  /** `PATH` */
  readonly path: string;
}

async function foldersOf(search: ProgramSearch): Promise<readonly string[]> {
  if (search.folder !== null) return [search.folder];
  const debian = (await readdir(VERSIONED[0]).catch(() => [])).map((version) => join(VERSIONED[0], version, 'bin'));
  const redHat = (await readdir(VERSIONED[1]).catch(() => []))
    .filter((name) => name.startsWith('pgsql-'))
    .map((name) => join(VERSIONED[1], name, 'bin'));
  return [...debian, ...redHat, ...search.path.split(delimiter)].filter((folder) => folder !== '');
}

async function majorOf(program: string): Promise<number | null> {
  try {
    await access(program, constants.X_OK);
    const { stdout } = await run(program, ['--version']);
    return Number(/\) (\d+)/.exec(stdout)?.[1] ?? Number.NaN);
  } catch {
    return null;
  }
}

/**
 * The oldest of PostgreSQL's programs that can work with a server of a major version: `pg_dump` refuses a server
 * newer than itself.
 * @throws `program-missing`
 */
export async function findPostgresProgram(name: string, serverMajor: number, search: ProgramSearch): Promise<string> {
  const folders = [...new Set(await foldersOf(search))];
  const found = await Promise.all(
    folders.map(async (folder) => ({ program: join(folder, name), major: await majorOf(join(folder, name)) })),
  );
  const usable = found.filter(({ major }) => major !== null && major >= serverMajor);
  const best = usable.sort((a, b) => (a.major ?? 0) - (b.major ?? 0))[0];
  if (best === undefined) throw new KithError('program-missing', { name, version: serverMajor });
  return best.program;
}

/**
 * Runs one of PostgreSQL's programs against a server. The password goes by a file that only this user can read and that
 * is gone afterwards: not in the arguments, not in the environment.
 * @returns what it printed
 * @throws `program-failed` with its first words
 */
export async function runPostgresProgram(
  program: string,
  args: readonly string[],
  connection: DatabaseConnection | null,
  signal?: AbortSignal,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kith-pgpass-'));
  try {
    const passwordFile = join(folder, 'pgpass');
    await writeFile(passwordFile, connection === null ? '' : await passwordLine(connection), { mode: 0o600 });
    const env = {
      HOME: homedir(),
      ...connection?.libpq,
      PGPASSFILE: passwordFile,
      PGCONNECT_TIMEOUT: '15',
      LC_MESSAGES: 'C',
    };
    const options = { env, maxBuffer: OUTPUT_BYTES, ...(signal === undefined ? {} : { signal }) };
    return (await run(program, [...args], options)).stdout;
  } catch (error) {
    signal?.throwIfAborted();
    const { stderr = '' } = error as { stderr?: string };
    const why =
      stderr.split('\n').find((line) => line.trim() !== '') ?? (error as Error).message.split('\n', 1)[0] ?? '';
    throw new KithError('program-failed', { program, why: why.slice(0, 300) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function passwordLine(connection: DatabaseConnection): Promise<string> {
  // A server that trusts its host is asked without one.
  const password = await connection.password().catch((error: unknown) => {
    if (error instanceof KithError && error.code === 'password-missing') return null;
    throw error;
  });
  if (password === null) return '';
  const { port, database, user } = connection;
  const host = connection.host.startsWith('/') ? 'localhost' : connection.host;
  return `${pgpassLine({ host, port, database, user }, new Secret(password))}\n`;
}
