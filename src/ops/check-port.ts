import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer, isIP } from 'node:net';
import { type Check, finding } from './check.js';

interface Address {
  readonly host: string;
  readonly port: number;
}

interface Holder {
  readonly pid: number;
  /** The program's short name. Its command line stays out: it may hold a password. */
  readonly name: string;
}

const LISTENING = '0A';

/** Inodes of the sockets that listen on a port, from the kernel's tables (proc_net_tcp). */
async function listeningInodes(port: number): Promise<ReadonlySet<string>> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  );
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = tables
    .flatMap((table) => table.split('\n'))
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[1]?.endsWith(`:${hex}`) === true && fields[3] === LISTENING ? (fields[9] ?? []) : [];
    });
  return new Set(inodes.map((inode) => `socket:[${inode}]`));
}

async function holdsOne(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  // Other users' descriptors cannot be read without being root.
  const names = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const name of names) {
    const target = await readlink(`/proc/${pid}/fd/${name}`).catch(() => '');
    if (sockets.has(target)) return true;
  }
  return false;
}

/** The process that listens on a port; null when it cannot be told (another user's, another container's, not Linux). */
export async function findHolder(port: number): Promise<Holder | null> {
  const sockets = await listeningInodes(port);
  if (sockets.size === 0) return null;
  const processes = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of processes)
    if (await holdsOne(pid, sockets)) {
      const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim();
      return { pid: Number(pid), name };
    }
  return null;
}

function tryToBind({ host, port }: Address): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

/** Where to reach a service that listens on every address. */
export function reachable({ host, port }: Address): string {
  const here = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${isIP(here) === 6 ? `[${here}]` : here}:${port}`;
}

async function isOwnService(address: Address): Promise<boolean> {
  try {
    const response = await fetch(`${reachable(address)}/livez`, { signal: AbortSignal.timeout(2_000) });
    return response.ok && ((await response.json()) as { status?: unknown }).status === 'ok';
  } catch {
    return false;
  }
}

/**
 * Can the service listen where it is told to?
 * @param beforeStart a running service counts as a holder, not as a good sign
 */
export async function checkPort(address: Address, beforeStart: boolean): Promise<Check> {
  const place = `${address.host}:${address.port}`;
  if (address.port === 0) return finding('port', 'ok', 'any free port');
  const error = await tryToBind(address);
  if (error === null) return finding('port', 'ok', `${place} is free`);
  if (error.code === 'EACCES')
    return finding('port', 'failure', `${place} may not be bound by this user; use a port above 1023`);
  if (error.code !== 'EADDRINUSE')
    return finding(
      'port',
      'failure',
      `${place} cannot be bound (${error.code}); KITH_HOST must be an address of this machine`,
    );
  const holder = await findHolder(address.port);
  const who = holder === null ? 'a process of another user' : `process ${holder.pid} (${holder.name})`;
  if (!beforeStart && (await isOwnService(address))) return finding('port', 'ok', `${place} is served by Kith, ${who}`);
  return finding('port', 'failure', `${place} is held by ${who}; stop it, or set KITH_PORT`);
}

/** Waits until the service says that it can recognise. */
export async function checkHealth(address: Address, waitSeconds: number, signal?: AbortSignal): Promise<Check> {
  const url = `${reachable(address)}/readyz`;
  const until = Date.now() + waitSeconds * 1_000;
  for (;;) {
    const said = await askReady(url);
    if (said === null) return finding('health', 'ok', `${url} says that it can recognise`);
    if (Date.now() >= until || signal?.aborted === true)
      return finding(
        'health',
        'failure',
        `${url}: ${said}; look at journalctl, or GET /health for the part that fails`,
      );
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

async function askReady(url: string): Promise<string | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    if (response.ok) return null;
    const problem = (await response.json().catch(() => ({}))) as { detail?: string; title?: string };
    return `it answered ${response.status}${problem.detail === undefined ? '' : ` (${problem.detail})`}`;
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    return `no answer (${cause?.code ?? (error as Error).name})`;
  }
}
