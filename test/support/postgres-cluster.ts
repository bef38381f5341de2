import { execFile, execFileSync } from 'node:child_process';
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The folder of initdb and pg_ctl: `KITH_TEST_POSTGRES_BIN`, `PATH`, Debian's place; null when there is none. */
export function findServerPrograms(): string | null {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    process.env.KITH_TEST_POSTGRES_BIN ?? '',
    ...(process.env.PATH ?? '').split(delimiter),
    ...versions.map((version) => join(debian, version, 'bin')),
  ];
  return folders.find((folder) => folder !== '' && existsSync(join(folder, 'initdb'))) ?? null;
}

/** initdb refuses root: as root, the cluster belongs to `postgres` (Debian's package makes that user). */
function serverUser(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('postgres:'));
  if (line === undefined) throw new Error('running as root, and there is no user postgres to run a server as');
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface Cluster extends AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  /** URL of the superuser, over TCP with a SCRAM password. */
  readonly adminUrl: string;
  readonly caFile: string;
  start(): Promise<void>;
  stop(mode: 'fast' | 'immediate'): Promise<void>;
}

/** A CA and a certificate for `localhost` (not for 127.0.0.1), made by openssl. */
function makeCertificates(folder: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=Kith test CA',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
  );
  openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=localhost',
    '-keyout',
    'server.key',
    '-out',
    'server.csr',
  );
  writeFileSync(join(folder, 'san.cnf'), 'subjectAltName=DNS:localhost\n');
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'san.cnf',
    '-out',
    'server.crt',
  );
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=Another CA',
    '-keyout',
    'other.key',
    '-out',
    'other.crt',
  );
}

/** A throw-away PostgreSQL that demands SCRAM passwords from everybody and offers TLS. Null when none is installed. */
export async function startCluster(settings: readonly string[] = []): Promise<Cluster | null> {
  const programs = findServerPrograms();
  if (programs === null) {
    console.log(
      'NOT RUN: no PostgreSQL server programs (initdb) found; apt-get install postgresql, or set KITH_TEST_POSTGRES_BIN',
    );
    return null;
  }
  const user = serverUser();
  const folder = mkdtempSync(join(tmpdir(), 'kith-cluster-'));
  const as = { cwd: folder, ...(user ?? {}) };
  makeCertificates(folder);
  const password = 'admin';
  writeFileSync(join(folder, 'password'), password);
  if (user !== null)
    for (const entry of ['', ...readdirSync(folder)]) chownSync(join(folder, entry), user.uid, user.gid);
  const data = join(folder, 'data');
  await run(
    join(programs, 'initdb'),
    [
      '-D',
      data,
      '-U',
      'admin',
      '--auth=scram-sha-256',
      `--pwfile=${join(folder, 'password')}`,
      '--no-sync',
      '-E',
      'UTF8',
      '--locale=C',
    ],
    as,
  );
  execFileSync('cp', ['server.crt', 'server.key', 'data/'], as);
  execFileSync('chmod', ['600', 'data/server.key'], as);
  const port = await freePort();
  const conf = [
    `port = ${port}`,
    "listen_addresses = 'localhost'",
    `unix_socket_directories = '${folder}'`,
    'ssl = on',
    'fsync = off',
    ...settings,
  ];
  writeFileSync(join(data, 'postgresql.auto.conf'), `${conf.join('\n')}\n`);
  const control = (...args: string[]) => run(join(programs, 'pg_ctl'), ['-D', data, '-w', ...args], as);
  const cluster: Cluster = {
    port,
    folder,
    adminUrl: `postgres://admin:${password}@localhost:${port}/postgres`,
    caFile: join(folder, 'ca.crt'),
    start: async () => {
      await control('-l', join(folder, 'log'), 'start');
    },
    stop: async (mode) => {
      await control('-m', mode, 'stop');
    },
    [Symbol.asyncDispose]: async () => {
      await control('-m', 'immediate', 'stop').catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    },
  };
  await cluster.start();
  return cluster;
}

/** Whether a program can be run, for tests that need one. */
export function findProgram(name: string): string | null {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // not here
    }
  }
  return null;
}
