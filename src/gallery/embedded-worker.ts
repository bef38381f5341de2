// The thread that holds the embedded database and serves it on a socket. Its statements block it, and nobody else.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { EmbeddedBackend } from './embedded-backend.js';
import { embeddedDataFolder } from './embedded-folder.js';
import { EMBEDDED_MAJOR, type FromWorker, type WorkerInput } from './embedded-protocol.js';
import { EmbeddedSession } from './embedded-session.js';

const { folder, socket } = workerData as WorkerInput;
const dataFolder = embeddedDataFolder(folder);
const spools = { outside: join(dataFolder, 'kith-copy'), inside: '/pglite/data/kith-copy' };
const DRAIN_MS = 5_000;
// PGlite starts with -F (no fsync), which a power cut could turn into a broken database.
const START = PGlite.defaultStartParams.filter((parameter) => parameter !== '-F');

const tell = (message: FromWorker): void => parentPort!.postMessage(message);

const create = (dataDir: string): Promise<PGlite> =>
  PGlite.create({ dataDir, extensions: { vector }, startParams: START, relaxedDurability: false });

/** Opens the database, made first when it is not there: beside its place, so that a crash leaves no half of one. */
async function open(): Promise<PGlite> {
  const version = join(dataFolder, 'PG_VERSION');
  if (!existsSync(version)) {
    const making = join(folder, 'postgres.making');
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making, { recursive: true, mode: 0o700 });
    await (await create(making)).close();
    rmSync(dataFolder, { recursive: true, force: true });
    renameSync(making, dataFolder);
  }
  const found = readFileSync(version, 'utf8').trim();
  if (found !== EMBEDDED_MAJOR) throw Object.assign(new Error(found), { code: 'version' });
  rmSync(spools.outside, { recursive: true, force: true });
  mkdirSync(spools.outside, { mode: 0o700 });
  return create(dataFolder);
}

async function listen(server: Server): Promise<void> {
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  chmodSync(socket, 0o600);
}

async function serve(): Promise<void> {
  const opening = open();
  opening.catch(() => undefined);
  let serverVersion = EMBEDDED_MAJOR;
  const sessions = new Set<EmbeddedSession>();
  const backend = new EmbeddedBackend(
    async (messages) => Buffer.from(await (await opening).execProtocolRaw(messages)),
    (session) => (session as EmbeddedSession).end(),
  );
  const server = createServer((client) => {
    const session = new EmbeddedSession(client, backend, spools, () => serverVersion);
    sessions.add(session);
    client.once('close', () => sessions.delete(session));
  });
  // Listening comes first: who finds the folder owned can connect at once and waits for the database.
  await listen(server);
  const database = await opening;
  const { rows } = await database.query<{ server_version: string }>('show server_version');
  serverVersion = rows[0]?.server_version ?? EMBEDDED_MAJOR;
  parentPort!.once('message', () => void end(server, sessions, backend, database));
  tell({ kind: 'ready' });
}

async function end(
  server: Server,
  sessions: ReadonlySet<EmbeddedSession>,
  backend: EmbeddedBackend,
  database: PGlite,
): Promise<void> {
  server.close();
  for (const until = Date.now() + DRAIN_MS; !backend.idle && Date.now() < until; ) await delay(5);
  for (const session of sessions) session.dismiss();
  rmSync(socket, { force: true });
  await database.close();
  tell({ kind: 'closed' });
  process.exit(0);
}

process.on('unhandledRejection', (reason) => {
  throw reason;
});

serve().catch((error: unknown) => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  tell({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) });
});
