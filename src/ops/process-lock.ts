import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KithError } from '../errors.js';

/** A process as it can be told from a later one with the same number. */
interface Holder {
  readonly pid: number;
  /** When it started, in the kernel's own ticks; null where that cannot be read (not Linux). */
  readonly started: string | null;
}

/** Field 22 of /proc/PID/stat (proc(5)); the command's name before it may hold spaces and parentheses. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process may not be signalled, but it lives.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function lives(holder: Holder): Promise<boolean> {
  if (!isAlive(holder.pid)) return false;
  const started = await startOf(holder.pid);
  return started === null || holder.started === null || started === holder.started;
}

function parseHolder(text: string): Holder | null {
  const [pid, started] = text.trim().split(/\s+/);
  const number = Number(pid);
  return Number.isSafeInteger(number) && number > 0 ? { pid: number, started: started ?? null } : null;
}

const readText = (file: string): Promise<string | null> => readFile(file, 'utf8').catch(() => null);

/**
 * Holds a folder for this process: a second service on the same `KITH_DATA` is refused. A holder that was killed
 * (kill -9, power) leaves the file behind, and the next one takes it over.
 */
export class ProcessLock implements AsyncDisposable {
  readonly file: string;
  readonly #text: string;

  private constructor(file: string, text: string) {
    this.file = file;
    this.#text = text;
  }

  /**
   * @param what for the message: what may be held only once
   * @throws `instance-running` when a living process holds it
   */
  static async acquire(file: string, what: string): Promise<ProcessLock> {
    await mkdir(dirname(file), { recursive: true });
    const text = `${process.pid} ${(await startOf(process.pid)) ?? ''}`.trimEnd();
    const draft = `${file}.${process.pid}`;
    await writeFile(draft, text, { mode: 0o600 });
    try {
      for (;;) {
        // A link appears with its whole content or not at all, and never over another.
        const made = await link(draft, file).then(
          () => true,
          (error: NodeJS.ErrnoException) => {
            if (error.code === 'EEXIST') return false;
            throw error;
          },
        );
        if (made) return new ProcessLock(file, text);
        await removeDead(file, what);
      }
    } finally {
      await rm(draft, { force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if ((await readText(this.file)) === this.#text) await rm(this.file, { force: true });
  }
}

/** Takes a dead holder's file away. Of two processes that try, one moves it; the other finds what came after. */
async function removeDead(file: string, what: string): Promise<void> {
  const text = await readText(file);
  if (text === null) return;
  const holder = parseHolder(text);
  if (holder !== null && (await lives(holder)))
    throw new KithError('instance-running', { what, pid: holder.pid, file });
  const aside = `${file}.dead.${process.pid}`;
  await rename(file, aside).catch(() => undefined);
  // Between reading and moving, another process may have taken it: give that one its file back.
  const moved = await readText(aside);
  if (moved !== null && moved !== text) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

/** Writes the number of this process, and nothing else, for tools that want it; removed when it is disposed. */
export class PidFile implements AsyncDisposable {
  readonly file: string;

  private constructor(file: string) {
    this.file = file;
  }

  /** @throws `instance-running` when the file names a living process other than this one */
  static async write(file: string): Promise<PidFile> {
    const holder = parseHolder((await readText(file)) ?? '');
    if (holder !== null && holder.pid !== process.pid && (await isKith(holder.pid)))
      throw new KithError('instance-running', { what: 'the PID file', pid: holder.pid, file });
    await mkdir(dirname(file), { recursive: true });
    const draft = `${file}.${process.pid}`;
    await writeFile(draft, `${process.pid}\n`, { mode: 0o644 });
    await rename(draft, file);
    return new PidFile(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (parseHolder((await readText(this.file)) ?? '')?.pid === process.pid) await rm(this.file, { force: true });
  }
}

/** A number in an old PID file may by now be anybody's. */
async function isKith(pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const command = await readText(`/proc/${pid}/cmdline`);
  return command === null || command.includes('kith');
}
