import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { KithError } from '../errors.js';
import { databaseTls } from './database-tls.js';
import { type DatabaseUrl, describeDatabase, parseDatabaseUrl } from './database-url.js';
import { type Environment, environment } from './environment.js';
import { readPgpass } from './password-pgpass.js';
import { openVaultSecret } from './password-vault.js';
import { readSecretFile, Secret } from './secret.js';

/** Where the password comes from. */
export type PasswordOrigin = 'url' | 'url-file' | 'PGPASSWORD' | 'password-file' | 'vault' | 'none';

/** How to reach PostgreSQL; its fields suit the `pg` driver. It holds no password: that is asked for at each connection. */
export interface DatabaseConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /**
   * Asked when the server wants a password, so that one rotated in a file or in Vault is found without a restart.
   * @throws `password-missing`, `password-file`, `secret-file`, `vault-…`
   */
  readonly password: () => Promise<string>;
  readonly ssl: false | ConnectionOptions;
  readonly applicationName: string | null;
  /** Server settings in `-c name=value` form. */
  readonly options: string | null;
  readonly connectTimeoutSeconds: number | null;
  readonly passwordOrigin: PasswordOrigin;
  /** The URL without password, for people. */
  readonly description: string;
}

type ReadSecret = () => Promise<Secret>;

interface Source {
  readonly name: string;
  readonly origin: PasswordOrigin;
  readonly read: ReadSecret;
}

interface Password {
  readonly origin: PasswordOrigin;
  readonly read: ReadSecret;
}

const isVaultReference = (secret: Secret): boolean => secret.reveal().startsWith('vault:');

/** The URL's source; null when none is set. */
async function findUrl(env: Environment): Promise<Source | null> {
  const url = env.VECTOR_DB_URL ?? '';
  const file = env.VECTOR_DB_URL_FILE ?? '';
  if (url !== '' && file !== '') throw new KithError('config-database-url-twice', {});
  if (url === '' && file === '') return null;
  const name = url === '' ? file : 'VECTOR_DB_URL';
  const read: ReadSecret = url === '' ? () => readSecretFile(file) : async () => new Secret(url);
  const text = await read();
  if (isVaultReference(text)) return { name, origin: 'vault', read: await openVaultSecret(text, name, env) };
  return { name, origin: url === '' ? 'url-file' : 'url', read };
}

function passwordOfUrl(source: Source, env: Environment): ReadSecret {
  return async () => {
    const { password } = parseDatabaseUrl((await source.read()).reveal(), source.name, env);
    if (password === null)
      throw new KithError('config-database-url', { variable: source.name, why: 'its password is gone' });
    return password;
  };
}

function passwordOfFile(url: DatabaseUrl, env: Environment): ReadSecret {
  const file = env.PGPASSFILE || join(env.HOME ?? homedir(), '.pgpass');
  return async () => {
    const password = await readPgpass(file, url);
    if (password === null) throw new KithError('password-missing', { login: describeDatabase(url), file });
    return password;
  };
}

/** libpq's order: the URL, `PGPASSWORD`, the password file. The first two may be a reference into Vault. */
async function findPassword(url: DatabaseUrl, source: Source, env: Environment): Promise<Password> {
  const fixed = env.PGPASSWORD ? new Secret(env.PGPASSWORD) : null;
  const given = url.password ?? fixed;
  if (given !== null && isVaultReference(given)) {
    const name = url.password === null ? 'PGPASSWORD' : source.name;
    return { origin: 'vault', read: await openVaultSecret(given, name, env) };
  }
  if (url.password !== null) return { origin: source.origin, read: passwordOfUrl(source, env) };
  if (fixed !== null) return { origin: 'PGPASSWORD', read: async () => fixed };
  const read = passwordOfFile(url, env);
  // A server that trusts its host asks for none: an unusable file matters only when a password is wanted.
  const origin = await read().then(
    () => 'password-file' as const,
    (error: unknown) => (error instanceof KithError && error.code === 'password-missing' ? 'none' : 'password-file'),
  );
  return { origin, read };
}

/**
 * How to reach the database that `VECTOR_DB_URL` or `VECTOR_DB_URL_FILE` names; null when neither is set (the embedded
 * database). Either may hold `vault:<mount>/<path>#<field>` instead of a URL.
 * @throws `config-database-url`, `config-database-url-encoding`, `config-database-url-twice`, `secret-file`, `tls-file`, `vault-…`
 */
export async function resolveDatabaseConnection(env: Environment = environment()): Promise<DatabaseConnection | null> {
  const source = await findUrl(env);
  if (source === null) return null;
  const url = parseDatabaseUrl((await source.read()).reveal(), source.name, env);
  return connectionOf(url, await findPassword(url, source, env));
}

/** As {@link resolveDatabaseConnection}, of one given URL (a `--url` flag, `openGallery({ url })`). */
export async function connectionOfUrl(text: string, env: Environment = environment()): Promise<DatabaseConnection> {
  const { VECTOR_DB_URL_FILE: _other, ...rest } = env;
  const connection = await resolveDatabaseConnection({ ...rest, VECTOR_DB_URL: text });
  if (connection === null) throw new KithError('config-database-url', { variable: 'the URL', why: 'it is empty' });
  return connection;
}

async function connectionOf(url: DatabaseUrl, password: Password): Promise<DatabaseConnection> {
  const { host, port, user, database, applicationName, options, connectTimeoutSeconds } = url;
  return Object.freeze({
    host,
    port,
    user,
    database,
    password: async () => (await password.read()).reveal(),
    ssl: await databaseTls(url),
    applicationName,
    options,
    connectTimeoutSeconds,
    passwordOrigin: password.origin,
    description: describeDatabase(url),
  });
}
