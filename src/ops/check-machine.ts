import { access, constants, readFile, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import { type Check, finding } from './check.js';

const LEAST_NODE = [20, 19] as const;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export const bytes = (count: number): string =>
  count >= GIB ? `${(count / GIB).toFixed(1)} GiB` : `${Math.round(count / MIB)} MiB`;

export function checkNode(version = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const enough = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  if (!enough)
    return finding('node', 'failure', `Node ${version} is too old; install ${LEAST_NODE.join('.')} or newer`);
  if (major % 2 === 1)
    return finding('node', 'warning', `Node ${version} is no long-term version; 20, 22 and 24 are tested`);
  return finding('node', 'ok', `Node ${version}`);
}

/** onnxruntime picks its kernels by these; without AVX2 embedding takes several times as long. */
export async function checkCpu(): Promise<Check> {
  const cores = `${availableParallelism()} cores, ${bytes(totalmem())} of memory`;
  if (process.arch !== 'x64') return finding('cpu', 'ok', `${process.arch}, ${cores}`);
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = new Set(/^flags\s*:(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/) ?? []);
  if (flags.size === 0) return finding('cpu', 'ok', `${cores}; its features cannot be read here`);
  const has = ['avx512f', 'avx2', 'fma', 'avx_vnni'].filter((flag) => flags.has(flag));
  if (!flags.has('avx2'))
    return finding(
      'cpu',
      'warning',
      `no AVX2: recognition takes several times as long; in a virtual machine, give it the host's processor type (${cores})`,
    );
  return finding('cpu', 'ok', `${has.join(', ')}; ${cores}`);
}

async function nearestExisting(folder: string): Promise<string> {
  let at = resolve(folder);
  while (
    !(await access(at).then(
      () => true,
      () => false,
    )) &&
    at !== dirname(at)
  )
    at = dirname(at);
  return at;
}

/** Room and the right to write, in the folders that Kith writes to. */
export async function checkDisk(folders: Readonly<Record<string, string>>): Promise<readonly Check[]> {
  return Promise.all(Object.entries(folders).map(([variable, folder]) => checkFolder(variable, folder)));
}

async function checkFolder(variable: string, folder: string): Promise<Check> {
  const at = await nearestExisting(folder);
  const writable = await access(at, constants.W_OK).then(
    () => true,
    () => false,
  );
  const { bavail, bsize } = await statfs(at);
  const free = bavail * bsize;
  const what = `${variable} (${folder}): ${bytes(free)} free`;
  if (!writable)
    return finding(
      'disk',
      'failure',
      `${variable} (${folder}) cannot be written by this user; chown it, or choose another folder`,
    );
  if (free < 200 * MIB) return finding('disk', 'failure', `${what}; make room`);
  if (free < 2 * GIB) return finding('disk', 'warning', `${what}; that is little`);
  return finding('disk', 'ok', what);
}

/** @param serverTime what the database says, and when it was asked here (Unix milliseconds); null without a server */
export function checkClock(serverTime: { readonly server: number; readonly here: number } | null): Check {
  if (Date.now() < Date.UTC(2025, 0))
    return finding('clock', 'failure', 'the clock stands before 2025: keys and TLS will fail; set it (NTP)');
  if (serverTime === null) return finding('clock', 'ok', new Date().toISOString());
  const skew = (serverTime.here - serverTime.server) / 1_000;
  const detail = `${Math.abs(skew).toFixed(1)} s ${skew > 0 ? 'ahead of' : 'behind'} the database server`;
  if (Math.abs(skew) > 5)
    return finding(
      'clock',
      'warning',
      `${detail}; expiry of keys and watch times of cutovers are off by that: use NTP on both`,
    );
  return finding('clock', 'ok', Math.abs(skew) < 1 ? 'agrees with the database server' : detail);
}
