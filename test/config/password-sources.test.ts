import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DatabaseConnection, resolveDatabaseConnection } from '#kith/config/database-connection.js';
import { pgpassLine } from '#kith/config/password-pgpass.js';
import { Secret } from '#kith/config/secret.js';
import { KithError } from '#kith/errors.js';
import { type Cluster, findServerPrograms, startCluster } from '../support/postgres-cluster.js';
import { VaultServer } from '../support/vault-server.js';

/** Everything that some source would cut or unescape wrongly. */
const PASSWORD = `s3c/r=e@t:with%2Fand#or?'single'"double"\\back slash&${'$'}HOME;ü`;
const ROLE = 'kith_service';

type Environment = Record<string, string | undefined>;

let cluster: Cluster | null = null;
let folder = '';
let vault: VaultServer;

async function connect(environment: Environment): Promise<{ connection: DatabaseConnection; user: string }> {
  const connection = await resolveDatabaseConnection({ HOME: folder, ...environment });
  if (connection === null) throw new Error('no connection');
  const { host, port, user, database, password, ssl } = connection;
  const client = new pg.Client({ host, port, user, database, password, ssl });
  try {
    await client.connect();
    const answer = await client.query<{ user: string }>('select current_user::text as user');
    return { connection, user: answer.rows[0]?.user ?? '' };
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function faultOf(environment: Environment): Promise<KithError> {
  try {
    await connect(environment);
  } catch (error) {
    expect(inspect(error, { depth: 5 }) + JSON.stringify(error)).not.toContain(PASSWORD.slice(0, 8));
    if (error instanceof KithError) return error;
    throw error;
  }
  throw new Error('it connected');
}

const url = (rest = '') => `postgres://${ROLE}@localhost:${cluster?.port}/postgres${rest}`;
const urlWith = (password: string, rest = '') =>
  `postgres://${ROLE}:${encodeURIComponent(password)}@localhost:${cluster?.port}/postgres${rest}`;
const file = (name: string, text: string, mode = 0o600): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kith-secrets-'));
  vault = await new VaultServer().start();
  cluster = await startCluster(["password_encryption = 'scram-sha-256'"]);
  if (cluster === null) return;
  const admin = new pg.Client(cluster.adminUrl);
  await admin.connect();
  await admin.query(`create role ${ROLE} login password ${admin.escapeLiteral(PASSWORD)}`);
  await admin.end();
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await vault[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** A line in the output, not silence, when the machine has no PostgreSQL to start. */
function withServer(name: string, test: () => Promise<void>): void {
  if (findServerPrograms() === null) it(`NOT RUN, no PostgreSQL server programs: ${name}`, () => undefined);
  else it(name, test);
}

describe('a password full of /=@:%#? and quotes reaches a server that demands SCRAM', () => {
  withServer('from the URL', async () => {
    const { user, connection } = await connect({ VECTOR_DB_URL: urlWith(PASSWORD) });
    expect(user).toBe(ROLE);
    expect(connection.passwordOrigin).toBe('url');
    expect(inspect(connection, { depth: 9 }) + JSON.stringify(connection)).not.toContain('s3c');
  });

  withServer('from PGPASSWORD', async () => {
    const { user, connection } = await connect({ VECTOR_DB_URL: url(), PGPASSWORD: PASSWORD });
    expect(user).toBe(ROLE);
    expect(connection.passwordOrigin).toBe('PGPASSWORD');
  });

  withServer('from PGPASSFILE, past lines of other logins', async () => {
    const login = { host: 'localhost', port: cluster?.port ?? 0, database: '*', user: ROLE };
    const text = `# ours\nlocalhost:1:*:${ROLE}:wrong\n${pgpassLine(login, new Secret(PASSWORD))}\n*:*:*:*:wrong\n`;
    const { user, connection } = await connect({ VECTOR_DB_URL: url(), PGPASSFILE: file('pass', text) });
    expect(user).toBe(ROLE);
    expect(connection.passwordOrigin).toBe('password-file');
  });

  withServer('from ~/.pgpass', async () => {
    const home = join(folder, 'home');
    mkdirSync(home, { recursive: true });
    const login = { host: 'localhost', port: cluster?.port ?? 0, database: 'postgres', user: ROLE };
    file('home/.pgpass', pgpassLine(login, new Secret(PASSWORD)));
    expect((await connect({ VECTOR_DB_URL: url(), HOME: home })).user).toBe(ROLE);
  });

  withServer('from VECTOR_DB_URL_FILE, with a line end after it, and again after it was rotated', async () => {
    const path = file('url', `${urlWith('old')}\n`);
    const connection = await resolveDatabaseConnection({ VECTOR_DB_URL_FILE: path });
    expect(connection?.passwordOrigin).toBe('url-file');
    expect(await connection?.password()).toBe('old');
    file('url', `${urlWith(PASSWORD)}\n`);
    expect(await connection?.password()).toBe(PASSWORD);
    expect((await connect({ VECTOR_DB_URL_FILE: path })).user).toBe(ROLE);
  });

  withServer('from Vault, with a token, in place of PGPASSWORD', async () => {
    vault.grant('root-token');
    vault.put('secret/data/kith/database', { password: PASSWORD });
    const { user, connection } = await connect({
      VECTOR_DB_URL: url(),
      PGPASSWORD: 'vault:secret/kith/database#password',
      VAULT_ADDR: vault.address,
      VAULT_TOKEN_FILE: file('token', 'root-token\n'),
    });
    expect(user).toBe(ROLE);
    expect(connection.passwordOrigin).toBe('vault');
  });

  withServer('from Vault, with AppRole, as the password of the URL', async () => {
    vault.role('role-1', 'secret-1', { ttl: 600, paths: ['secret/data/kith/'] });
    vault.put('secret/data/kith/database', { password: PASSWORD });
    const { user } = await connect({
      VECTOR_DB_URL: urlWith('vault:secret/kith/database#password'),
      VAULT_ADDR: vault.address,
      VAULT_ROLE_ID: 'role-1',
      VAULT_SECRET_ID: 'secret-1',
    });
    expect(user).toBe(ROLE);
  });

  withServer('from Vault, the whole URL', async () => {
    vault.grant('root-token');
    vault.put('secret/data/kith/url', { url: urlWith(PASSWORD) });
    const { user } = await connect({
      VECTOR_DB_URL: 'vault:secret/kith/url#url',
      VAULT_ADDR: `${vault.address}/`,
      VAULT_TOKEN: 'root-token',
    });
    expect(user).toBe(ROLE);
  });
});

describe('without a usable password', () => {
  withServer('a login with none says where one may stand', async () => {
    const fault = await faultOf({ VECTOR_DB_URL: url() });
    expect(fault.code).toBe('password-missing');
    expect(fault.message).toContain(`postgres://${ROLE}@localhost`);
  });

  withServer('a password file that others may read is refused, not passed over', async () => {
    const path = file('open', `*:*:*:*:${PASSWORD}`, 0o644);
    const fault = await faultOf({ VECTOR_DB_URL: url(), PGPASSFILE: path });
    expect(fault.code).toBe('password-file');
    expect(fault.message).toContain('0600');
  });

  withServer('a wrong password is refused by the server, and no error repeats it', async () => {
    await expect(connect({ VECTOR_DB_URL: urlWith('hunter2') })).rejects.toSatisfy(
      (error: unknown) =>
        (error as { code?: string }).code === '28P01' && !inspect(error, { depth: 9 }).includes('hunter2'),
    );
  });

  it('an unencoded URL in a file is named by its file', async () => {
    const fault = await faultOf({ VECTOR_DB_URL_FILE: file('bad', `postgres://u:${PASSWORD}@h/d`) });
    expect(fault.code).toBe('config-database-url-encoding');
    expect(fault.message).toContain(join(folder, 'bad'));
  });

  it('an absent or empty file, and two sources at once, are faults of the configuration', async () => {
    expect((await faultOf({ VECTOR_DB_URL_FILE: join(folder, 'none') })).code).toBe('secret-file');
    expect((await faultOf({ VECTOR_DB_URL_FILE: file('empty', '\n') })).code).toBe('secret-file');
    expect((await faultOf({ VECTOR_DB_URL: 'postgres://h/d', VECTOR_DB_URL_FILE: '/x' })).code).toBe(
      'config-database-url-twice',
    );
  });

  it('no variable at all means the embedded database', async () => {
    expect(await resolveDatabaseConnection({ VECTOR_DB_URL: '', VECTOR_DB_URL_FILE: '' })).toBeNull();
  });
});

describe('TLS to PostgreSQL', () => {
  const encrypted = async (rest: string): Promise<boolean> => {
    const connection = await resolveDatabaseConnection({ VECTOR_DB_URL: urlWith(PASSWORD, rest) });
    if (connection === null) throw new Error('no connection');
    const { host, port, user, database, password, ssl } = connection;
    const client = new pg.Client({ host, port, user, database, password, ssl });
    try {
      await client.connect();
      const answer = await client.query<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
      return answer.rows[0]?.ssl ?? false;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const root = (name: string) => `sslrootcert=${encodeURIComponent(join(cluster?.folder ?? '', name))}`;

  withServer('verify-full takes a certificate of the named CA for this host', async () => {
    expect(await encrypted(`?sslmode=verify-full&${root('ca.crt')}`)).toBe(true);
  });

  withServer('verify-full refuses another CA', async () => {
    await expect(encrypted(`?sslmode=verify-full&${root('other.crt')}`)).rejects.toThrow(/certificate/);
  });

  withServer('verify-full refuses the same certificate under another name, by address too', async () => {
    await expect(encrypted(`?sslmode=verify-full&host=127.0.0.1&${root('ca.crt')}`)).rejects.toThrow(/altnames|IP/);
  });

  withServer('verify-ca takes it under another name, and refuses another CA', async () => {
    expect(await encrypted(`?sslmode=verify-ca&host=127.0.0.1&${root('ca.crt')}`)).toBe(true);
    await expect(encrypted(`?sslmode=verify-ca&${root('other.crt')}`)).rejects.toThrow(/certificate/);
  });

  withServer('require encrypts without checking; disable does not encrypt', async () => {
    expect(await encrypted('?sslmode=require')).toBe(true);
    expect(await encrypted('?sslmode=disable')).toBe(false);
  });

  it('a certificate file that is not there is named', async () => {
    await expect(
      resolveDatabaseConnection({ VECTOR_DB_URL: 'postgres://h/d?sslmode=verify-full&sslrootcert=/none.crt' }),
    ).rejects.toMatchObject({ code: 'tls-file' });
  });
});
