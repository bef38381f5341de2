import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { DatabaseConnection } from '../config/database-connection.js';
import { type Login, pgpassFile, readPgpass, writePgpass } from '../config/password-pgpass.js';
import { Secret } from '../config/secret.js';
import { KithError } from '../errors.js';
import { faultDetail } from './check-database.js';
import { scramVerifier } from './scram-verifier.js';

export interface InitOptions {
  /** An administrator's connection, to any database of the server. */
  readonly admin: DatabaseConnection;
  readonly database: string;
  /** Owns the tables and brings the schema up to date. */
  readonly owner: string;
  /** The service's: reads and writes rows, alters nothing. */
  readonly role: string;
  /** Where passwords are kept; libpq's own place unless given. */
  readonly passwordFile?: string;
  /** Give both roles new passwords even when those that are kept still work. */
  readonly rotate?: boolean;
}

/** What was found and what was done. Running it again finds everything and does nothing. */
export interface InitReport {
  readonly database: string;
  readonly owner: string;
  readonly role: string;
  readonly made: readonly string[];
  readonly found: readonly string[];
  readonly passwordFile: string;
  /** For `VECTOR_DB_URL`, without passwords: those are in the password file. */
  readonly serviceUrl: string;
  readonly ownerUrl: string;
}

const NAME = /^[a-z_][a-z0-9_]{0,62}$/;

function clientOf(
  connection: DatabaseConnection,
  database: string,
  login?: { user: string; password: string },
): pg.Client {
  const { host, port, ssl } = connection;
  const { user, password } = login ?? { user: connection.user, password: connection.password };
  return new pg.Client({
    host,
    port,
    database,
    user,
    password,
    ssl,
    application_name: 'kith db init',
    connectionTimeoutMillis: 15_000,
  });
}

async function connected<T>(client: pg.Client, work: (client: pg.Client) => Promise<T>): Promise<T> {
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    if (error instanceof KithError) throw error;
    throw new KithError('database-init', { why: faultDetail(error) }, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

const exists = async (client: pg.Client, text: string, name: string): Promise<boolean> =>
  ((await client.query(text, [name])).rowCount ?? 0) > 0;

/** What was made and what was there already, as it goes. */
class Tally {
  readonly made: string[] = [];
  readonly found: string[] = [];

  note(what: string, isNew: boolean): void {
    (isNew ? this.made : this.found).push(what);
  }
}

async function assertMayInit(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ may: boolean; name: string }>(
    'select rolsuper or (rolcreaterole and rolcreatedb) as may, rolname::text as name from pg_roles where rolname = current_user',
  );
  if (rows[0]?.may !== true)
    throw new KithError('database-init', { why: `${rows[0]?.name ?? 'the role'} may not make roles and databases` });
}

async function makeRole(client: pg.Client, name: string, tally: Tally): Promise<void> {
  const there = await exists(client, 'select from pg_roles where rolname = $1', name);
  if (!there)
    await client.query(`create role ${client.escapeIdentifier(name)} login nosuperuser nocreatedb nocreaterole`);
  tally.note(`role ${name}`, !there);
}

/** Whether the password that is kept for a login lets it in. */
async function keptWorks(options: InitOptions, login: Login): Promise<boolean> {
  const kept = await readPgpass(passwordFileOf(options), login);
  if (kept === null) return false;
  const client = clientOf(options.admin, options.database, { user: login.user, password: kept.reveal() });
  return connected(client, async () => true).catch(() => false);
}

const passwordFileOf = (options: InitOptions): string => options.passwordFile ?? pgpassFile();

/** A new password, given to the server as its verifier only and kept in the password file. */
async function givePassword(client: pg.Client, options: InitOptions, user: string, tally: Tally): Promise<void> {
  const { host, port } = options.admin;
  // A role has one password for every database of its server.
  const login = { host: host.startsWith('/') ? 'localhost' : host, port, database: '*', user };
  if (options.rotate !== true && (await keptWorks(options, login))) return tally.note(`password of ${user}`, false);
  const password = new Secret(randomBytes(24).toString('base64url'));
  await client.query(
    `alter role ${client.escapeIdentifier(user)} password ${client.escapeLiteral(scramVerifier(password))}`,
  );
  await writePgpass(passwordFileOf(options), login, password);
  tally.note(`password of ${user}`, true);
}

async function makeDatabase(client: pg.Client, options: InitOptions, tally: Tally): Promise<void> {
  const there = await exists(client, 'select from pg_database where datname = $1', options.database);
  const [database, owner] = [options.database, options.owner].map((name) => client.escapeIdentifier(name));
  if (!there) {
    // An administrator who is no superuser must be a member of a role to give it a database.
    await client.query(`grant ${owner} to current_user`);
    await client.query(`create database ${database} owner ${owner}`);
  }
  await client.query(`revoke all on database ${database} from public`);
  await client.query(`grant connect on database ${database} to ${client.escapeIdentifier(options.role)}`);
  tally.note(`database ${options.database}`, !there);
}

async function makeExtension(client: pg.Client, tally: Tally): Promise<void> {
  const there = await exists(client, 'select from pg_extension where extname = $1', 'vector');
  if (!there) {
    const known = await exists(client, 'select from pg_available_extensions where name = $1', 'vector');
    if (!known) throw new KithError('database-init', { why: 'pgvector is not installed on the server' });
    await client.query('create extension vector');
  }
  tally.note('extension vector', !there);
}

/** The service's role gets the rows of what is there, and of what the owner will make; it makes nothing itself. */
async function grantRights(client: pg.Client, options: InitOptions): Promise<void> {
  const owner = client.escapeIdentifier(options.owner);
  const role = client.escapeIdentifier(options.role);
  const statements = [
    `grant ${owner} to current_user`,
    `alter schema public owner to ${owner}`,
    'revoke create on schema public from public',
    `grant usage on schema public to ${role}`,
    `grant select, insert, update, delete on all tables in schema public to ${role}`,
    `grant usage, select on all sequences in schema public to ${role}`,
    `alter default privileges for role ${owner} in schema public grant select, insert, update, delete on tables to ${role}`,
    `alter default privileges for role ${owner} in schema public grant usage, select on sequences to ${role}`,
    // Kith's functions are nobody's unless granted; those that alter something work with their caller's rights, but for
    // the one that makes the table of a further space.
    `grant execute on all functions in schema public to ${role}`,
    `alter default privileges for role ${owner} in schema public grant execute on functions to ${role}`,
  ];
  for (const statement of statements) await client.query(statement);
}

/** Tables of the old service's, and whatever Kith itself made under another role before. */
const OWN_TABLES = '^(persons|face_embeddings(_[0-9]+)?|kith_.*)$';

/**
 * Tables that are there already: only an owner can bring them up to date. Their owner may be the role that the old
 * service goes on logging in with, so it keeps them, and Kith's owner becomes a member of it; what is a superuser's
 * changes hands instead (membership would make Kith's owner a superuser).
 */
async function adopt(client: pg.Client, options: InitOptions, tally: Tally): Promise<void> {
  const { rows } = await client.query<{ what: string; owner: string; super: boolean }>(
    `select things.what, r.rolname::text as owner, r.rolsuper as super
      from (select 'table ' || c.oid::regclass as what, c.relowner as owner from pg_class c
          where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname ~ $2
        union all select 'function ' || p.oid::regprocedure, p.proowner from pg_proc p
          where p.pronamespace = 'public'::regnamespace and p.proname ~ '^kith_') things
      join pg_roles r on r.oid = things.owner where not pg_has_role($1, things.owner, 'usage')`,
    [options.owner, OWN_TABLES],
  );
  const owner = client.escapeIdentifier(options.owner);
  for (const { what, owner: before, super: isSuper } of rows) {
    await client.query(
      isSuper ? `alter ${what} owner to ${owner}` : `grant ${client.escapeIdentifier(before)} to ${owner}`,
    );
    tally.note(`right of ${options.owner} on ${what}`, true);
  }
}

const urlOf = ({ host, port }: DatabaseConnection, user: string, database: string): string => {
  const place = host.includes(':') ? `[${host}]` : host.replaceAll('/', '%2F');
  return `postgresql://${user}@${place}:${port}/${database}`;
};

/**
 * Makes a database with the extension, an owner for the schema and a role for the service. Safe to run again: what is
 * there is kept, rights are granted anew, and a kept password that works is left alone. No password is ever printed, or
 * sent in a statement. The tables themselves are made by `kith db migrate` as the owner.
 * @throws `database-init`, `password-file`
 */
export async function initDatabase(options: InitOptions): Promise<InitReport> {
  for (const name of [options.database, options.owner, options.role])
    if (!NAME.test(name)) throw new KithError('database-init', { why: `"${name}" is no plain lower-case name` });
  if (options.owner === options.role)
    throw new KithError('database-init', { why: 'owner and role must differ: the service shall not alter the schema' });
  const tally = new Tally();
  await connected(clientOf(options.admin, options.admin.database), async (client) => {
    await assertMayInit(client);
    for (const role of [options.owner, options.role]) await makeRole(client, role, tally);
    await makeDatabase(client, options, tally);
    for (const role of [options.owner, options.role]) await givePassword(client, options, role, tally);
  });
  await connected(clientOf(options.admin, options.database), async (client) => {
    await makeExtension(client, tally);
    await adopt(client, options, tally);
    await grantRights(client, options);
  });
  return {
    database: options.database,
    owner: options.owner,
    role: options.role,
    made: tally.made,
    found: tally.found,
    passwordFile: passwordFileOf(options),
    serviceUrl: urlOf(options.admin, options.role, options.database),
    ownerUrl: urlOf(options.admin, options.owner, options.database),
  };
}
