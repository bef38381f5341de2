import { userInfo } from 'node:os';
import { KithError } from '../errors.js';
import type { Environment } from './environment.js';
import { Secret } from './secret.js';

export const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** What a PostgreSQL URL says. Absent parts are filled from the `PG…` variables, then from PostgreSQL's defaults. */
export interface DatabaseUrl {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: Secret | null;
  readonly sslMode: SslMode | null;
  /** Paths of PEM files. */
  readonly sslRootCert: string | null;
  readonly sslCert: string | null;
  readonly sslKey: string | null;
  readonly applicationName: string | null;
  /** Server settings in `-c name=value` form, as libpq's `options`. */
  readonly options: string | null;
  readonly connectTimeoutSeconds: number | null;
}

const PARAMETERS = [
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'application_name',
  'options',
  'connect_timeout',
] as const;
type Parameter = (typeof PARAMETERS)[number];
type Parameters = Partial<Record<Parameter, string>>;

const BADLY_ESCAPED = /%(?![0-9a-f]{2})/i;

function notEncoded(source: string): KithError {
  return new KithError('config-database-url-encoding', { variable: source });
}

function unreadable(source: string, why: string): KithError {
  return new KithError('config-database-url', { variable: source, why });
}

/** The faults of this function never hold a part of the text: any part may be a piece of an unencoded password. */
function splitUrl(text: string, source: string): { authority: string; path: string; query: string } {
  const scheme = /^postgres(?:ql)?:\/\//.exec(text)?.[0];
  if (scheme === undefined) throw unreadable(source, 'it does not begin with postgres:// or postgresql://');
  const rest = text.slice(scheme.length);
  const end = rest.search(/[/?#]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const tail = end < 0 ? '' : rest.slice(end);
  // A raw / ? # ends the authority early and leaves the @ behind it; a raw @ leaves two; a fragment is never meant.
  const ats = authority.split('@').length - 1;
  if (ats > 1 || tail.includes('@') || tail.includes('#') || BADLY_ESCAPED.test(rest)) throw notEncoded(source);
  const [path = '', query = ''] = tail.split(/\?(.*)/s);
  return { authority, path, query };
}

function decoded(text: string, source: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw notEncoded(source);
  }
}

function readAuthority(authority: string, source: string): Parameters {
  const at = authority.indexOf('@');
  const login = at < 0 ? '' : authority.slice(0, at);
  const place = authority.slice(at + 1);
  const [user = '', password] = login.split(/:(.*)/s);
  // A raw ":" or "=" could be read, but not by every driver that is given the same URL.
  if (/[=:[\]\s]/.test(password ?? '')) throw notEncoded(source);
  const match = /^(\[[0-9a-f:.]+\]|[^:]*)(?::(.*))?$/is.exec(place);
  if (match === null) throw unreadable(source, 'the host cannot be read; an IPv6 address stands in [ ]');
  const [, host = '', port = ''] = match;
  if (port !== '' && !/^\d+$/.test(port))
    throw at < 0 ? notEncoded(source) : unreadable(source, 'the port is no number');
  return {
    ...(user === '' ? {} : { user: decoded(user, source) }),
    ...(password === undefined ? {} : { password: decoded(password, source) }),
    ...(host === '' ? {} : { host: decoded(host.replace(/^\[(.*)\]$/, '$1'), source) }),
    ...(port === '' ? {} : { port }),
  };
}

function readQuery(query: string, source: string): Parameters {
  const parameters: Parameters = {};
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const [name = '', value] = pair.split(/=(.*)/s);
    const known = PARAMETERS.find((parameter) => parameter === name);
    if (known === undefined || value === undefined)
      throw unreadable(source, `a parameter after "?" is not one of ${PARAMETERS.join(', ')}`);
    parameters[known] = decoded(value, source);
  }
  return parameters;
}

function readNumber(text: string, name: string, max: number, source: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > max) throw unreadable(source, `${name} must be a number from 0 to ${max}`);
  return value;
}

function readSslMode(text: string | undefined, source: string): SslMode | null {
  if (text === undefined || text === '') return null;
  const mode = SSL_MODES.find((known) => known === text);
  // libpq's allow and prefer go on in the clear when someone in the middle says so; here the operator chooses.
  if (mode === undefined) throw unreadable(source, `sslmode must be one of ${SSL_MODES.join(', ')}`);
  return mode;
}

/**
 * Reads a PostgreSQL URL.
 * @param source what the text was read from (`VECTOR_DB_URL`, a file's path), for messages
 * @param environment gives libpq's `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGSSLMODE` … where the URL is silent
 * @throws `config-database-url-encoding`, `config-database-url`; neither holds any part of the text
 */
export function parseDatabaseUrl(text: string, source: string, environment: Environment = {}): DatabaseUrl {
  const { authority, path, query } = splitUrl(text.trim(), source);
  const given: Parameters = { ...readAuthority(authority, source), ...readQuery(query, source) };
  const database = decoded(path.replace(/^\//, ''), source);
  const host = given.host ?? environment.PGHOST ?? 'localhost';
  if (host.includes(',') || given.port?.includes(',') === true)
    throw unreadable(source, 'it names several hosts; name one, or a proxy before them');
  const user = given.user ?? environment.PGUSER ?? userInfo().username;
  const timeout = given.connect_timeout ?? environment.PGCONNECT_TIMEOUT;
  return Object.freeze({
    host,
    port: readNumber(given.port ?? environment.PGPORT ?? '5432', 'the port', 65_535, source),
    user,
    database: given.dbname ?? (database === '' ? (environment.PGDATABASE ?? user) : database),
    password: given.password === undefined || given.password === '' ? null : new Secret(given.password),
    sslMode: readSslMode(given.sslmode ?? environment.PGSSLMODE, source),
    sslRootCert: given.sslrootcert ?? environment.PGSSLROOTCERT ?? null,
    sslCert: given.sslcert ?? environment.PGSSLCERT ?? null,
    sslKey: given.sslkey ?? environment.PGSSLKEY ?? null,
    applicationName: given.application_name ?? environment.PGAPPNAME ?? null,
    options: given.options ?? environment.PGOPTIONS ?? null,
    connectTimeoutSeconds: timeout === undefined ? null : readNumber(timeout, 'connect_timeout', 3_600, source),
  });
}

/** The URL without its password and parameters, for people. */
export function describeDatabase(database: Pick<DatabaseUrl, 'host' | 'port' | 'user' | 'database'>): string {
  const host = database.host.includes(':') ? `[${database.host}]` : database.host.replaceAll('/', '%2F');
  return `postgres://${encodeURIComponent(database.user)}@${host}:${database.port}/${encodeURIComponent(database.database)}`;
}

/**
 * Checks the text of a URL, or of a reference into Vault, before anything connects.
 * @throws `config-database-url`, `config-database-url-encoding`
 */
export function checkDatabaseUrl(text: string, variable: string): string {
  if (!text.startsWith('vault:')) parseDatabaseUrl(text, variable);
  return text;
}
