import { execFile } from 'node:child_process';
import { access, chmod, copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KithError } from '../errors.js';

const run = promisify(execFile);

export interface InstallOptions {
  readonly name: string;
  readonly user: string;
  readonly unit: string;
  /** Where units lie; `/etc/systemd/system` unless given. */
  readonly folder?: string;
}

export interface Installed {
  readonly file: string;
  /** Where the unit that stood there before was kept; null when there was none, or the same. */
  readonly kept: string | null;
  readonly changed: boolean;
  readonly userMade: boolean;
  /** Whether a running systemd has read the unit. */
  readonly loaded: boolean;
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** Major version of the machine's systemd; null where there is none. */
export async function systemdVersion(): Promise<number | null> {
  try {
    const { stdout } = await run('systemctl', ['--version']);
    const version = Number(/^systemd (\d+)/.exec(stdout)?.[1]);
    return Number.isFinite(version) ? version : null;
  } catch {
    return null;
  }
}

/** What `systemd-analyze verify` says about a unit; empty when it finds nothing. Null where there is no systemd. */
export async function verifyUnit(file: string): Promise<string | null> {
  try {
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', file]);
    return `${stdout}${stderr}`.trim();
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    return code === 'ENOENT' ? null : `${stdout}${stderr}`.trim() || 'it failed without a word';
  }
}

async function ensureUser(user: string): Promise<boolean> {
  const known = await run('id', ['-u', user]).then(
    () => true,
    () => false,
  );
  if (known) return false;
  await run('useradd', [
    '--system',
    '--user-group',
    '--home-dir',
    '/var/lib/kith',
    '--no-create-home',
    '--shell',
    '/usr/sbin/nologin',
    user,
  ]).catch((cause: unknown) => {
    throw new KithError('unit-install', { why: `the user ${user} cannot be made` }, { cause });
  });
  return true;
}

/** Keeps a unit that differs and was not made here, such as the old service's, beside the new one. */
async function keepOld(file: string, before: string | null, unit: string): Promise<string | null> {
  if (before === null || before === unit || before.startsWith('# Made by `kith systemd print`')) return null;
  const kept = `${file}.before-kith`;
  if (!(await exists(kept))) await copyFile(file, kept);
  return kept;
}

/**
 * Writes a unit where systemd finds it, keeping another program's unit of that name beside it. Checks it first with
 * systemd's own eyes; a unit that does not pass changes nothing. Does not start or stop anything.
 * @throws `unit-install`
 */
export async function installUnit(options: InstallOptions): Promise<Installed> {
  const { name, user, unit, folder = '/etc/systemd/system' } = options;
  const file = join(folder, `${name}.service`);
  // The draft's name ends in .service too: systemd-analyze takes nothing else.
  const draft = join(folder, `kith-draft-${process.pid}.service`);
  try {
    await writeFile(draft, unit, { mode: 0o644 });
    await chmod(draft, 0o644);
    const userMade = await ensureUser(user);
    const said = await verifyUnit(draft);
    if (said !== null && said !== '') throw new KithError('unit-install', { why: said.split('\n')[0] ?? said });
    const before = (await exists(file)) ? await readFile(file, 'utf8') : null;
    const kept = await keepOld(file, before, unit);
    await rename(draft, file);
    return { file, kept, changed: before !== unit, userMade, loaded: await reload(folder) };
  } catch (error) {
    await rm(draft, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOENT')
      throw new KithError('unit-install', { why: `${folder} cannot be written (${code})` }, { cause: error });
    throw error;
  }
}

async function reload(folder: string): Promise<boolean> {
  if (folder !== '/etc/systemd/system' || !(await exists('/run/systemd/system'))) return false;
  await run('systemctl', ['daemon-reload']);
  return true;
}
