import type { ConnectionOptions } from 'node:tls';
import { KithError } from '../errors.js';
import { databaseTls } from './database-tls.js';
import { type DatabaseUrl, describeDatabase, parseDatabaseUrl } from './database-url.js';
import { type Environment, environment } from './environment.js';
import { pgpassFile, readPgpass } from './password-pgpass.js';
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
  /** The same for libpq's own programs (`pg_dump`), as their variables; without the password. */
  readonly libpq: Readonly<Record<string, string>>;
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
  const file = pgpassFile(env);
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

/** As {@link resolveDatabaseConnection}, of one given URL (`openGallery({ url })`). */
export async function connectionOfUrl(url: string, env: Environment = environment()): Promise<DatabaseConnection> {
  const { VECTOR_DB_URL_FILE: _file, ...rest } = env;
  const connection = await resolveDatabaseConnection({ ...rest, VECTOR_DB_URL: url });
  if (connection === null) throw new KithError('config-database-url', { variable: 'the URL', why: 'it is empty' });
  return connection;
}

/**
 * An administrator's connection: of the URL given, else of `VECTOR_DB_ADMIN_URL` or the file in `VECTOR_DB_ADMIN_URL_FILE`.
 * @throws as {@link resolveDatabaseConnection}; `admin-url-missing`
 */
export async function adminConnection(url?: string, env: Environment = environment()): Promise<DatabaseConnection> {
  const { VECTOR_DB_URL: _url, VECTOR_DB_URL_FILE: _file, ...rest } = env;
  const given = url ?? env.VECTOR_DB_ADMIN_URL;
  const named = given === undefined ? { VECTOR_DB_URL_FILE: env.VECTOR_DB_ADMIN_URL_FILE } : { VECTOR_DB_URL: given };
  const connection = await resolveDatabaseConnection({ ...rest, ...named });
  if (connection === null) throw new KithError('admin-url-missing', {});
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
    libpq: libpqVariables(url),
    description: describeDatabase(url),
  });
}

function libpqVariables(url: DatabaseUrl): Readonly<Record<string, string>> {
  const all: Record<string, string | null> = {
    PGHOST: url.host,
    PGPORT: String(url.port),
    PGUSER: url.user,
    PGDATABASE: url.database,
    PGSSLMODE: url.sslMode ?? 'disable',
    PGSSLROOTCERT: url.sslRootCert,
    PGSSLCERT: url.sslCert,
    PGSSLKEY: url.sslKey,
  };
  return Object.freeze(Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null))) as Record<
    string,
    string
  >;
}
