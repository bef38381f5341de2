import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { KithError } from '../errors.js';
import { type Environment, environment } from './environment.js';
import { Secret } from './secret.js';

/** Whom a password is for. */
export interface Login {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/** Splits at unescaped colons; `\:` and `\\` stand for themselves. The fifth field runs to the end of the line. */
function fieldsOf(line: string): string[] {
  const fields: string[] = [''];
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? '';
    if (character === '\\' && at + 1 < line.length) fields[fields.length - 1] += line[++at] ?? '';
    else if (character === ':' && fields.length < 5) fields.push('');
    else fields[fields.length - 1] += character;
  }
  return fields;
}

/**
 * The password that a `.pgpass` text has for a login: that of the first line whose four fields are equal or `*`.
 * Source: PostgreSQL's manual, "The Password File". A Unix socket's host is looked up as `localhost`.
 */
export function findInPgpass(text: string, login: Login): Secret | null {
  const host = login.host.startsWith('/') ? 'localhost' : login.host;
  const wanted = [host, String(login.port), login.database, login.user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#') || line === '') continue;
    const fields = fieldsOf(line);
    const password = fields[4];
    if (password === undefined || password === '') continue;
    if (wanted.every((value, index) => fields[index] === '*' || fields[index] === value)) return new Secret(password);
  }
  return null;
}

/** One line for a `.pgpass` file, with `:` and `\` escaped. */
export function pgpassLine(login: Login, password: Secret): string {
  return [login.host, String(login.port), login.database, login.user, password.reveal()]
    .map((field) => field.replace(/[\\:]/g, '\\$&'))
    .join(':');
}

/**
 * Looks a login up in a password file.
 * @returns null when the file is absent or has no line for the login
 * @throws `password-file` when others may read it (libpq ignores such a file; silence would hide why) or it is unreadable
 */
export async function readPgpass(file: string, login: Login): Promise<Secret | null> {
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw new KithError('password-file', { file, why: cause.code ?? 'it cannot be read' }, { cause });
  });
  if (found === null) return null;
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0)
    throw new KithError('password-file', { file, why: 'others than its owner may read it; its mode must be 0600' });
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new KithError('password-file', { file, why: cause.code ?? 'it cannot be read' }, { cause });
  });
  return findInPgpass(text, login);
}

/** The file that libpq looks in: `PGPASSFILE`, else `~/.pgpass`. */
export function pgpassFile(env: Environment = environment()): string {
  return env.PGPASSFILE || join(env.HOME ?? homedir(), '.pgpass');
}

/** Puts a login's password into a password file (mode 0600), in place of a line for the same login. Other lines stay. */
export async function writePgpass(file: string, login: Login, password: Secret): Promise<void> {
  const before = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return '';
    throw new KithError('password-file', { file, why: cause.code ?? 'it cannot be read' }, { cause });
  });
  const own = [login.host, String(login.port), login.database, login.user];
  const isOwn = (line: string): boolean => {
    const fields = fieldsOf(line);
    return !line.startsWith('#') && own.every((value, index) => fields[index] === value);
  };
  // First, since the first line that matches counts, and one with * may stand there already.
  const lines = [pgpassLine(login, password), ...before.split('\n').filter((line) => line !== '' && !isOwn(line))];
  const draft = `${file}.${process.pid}`;
  try {
    await writeFile(draft, `${lines.join('\n')}\n`, { mode: 0o600 });
    await rename(draft, file);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'it cannot be written';
    throw new KithError('password-file', { file, why }, { cause });
  }
}
