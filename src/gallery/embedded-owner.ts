import { mkdirSync, realpathSync } from 'node:fs';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { KithError } from '../errors.js';
import { claimFolder, type Ownership } from './embedded-lock.js';
import { EMBEDDED_MAJOR, type FromWorker, type WorkerInput } from './embedded-protocol.js';
import { embeddedSocketPath } from './embedded-socket.js';

/** A connection to a socket's path, whatever port and host the driver asks for. */
class PathSocket extends Socket {
  readonly #path: string;

  constructor(path: string) {
    super();
    this.#path = path;
  }

  override connect(..._asked: unknown[]): this {
    return super.connect({ path: this.#path });
  }
}

/**
 * Finds the process that owns the embedded database of a folder, or becomes it: then the database runs in a thread of
 * this process, and serves the other processes too. When the owner ends, the next that needs the database takes over.
 */
export class EmbeddedOwner {
  readonly #folder: string;
  #socket: string | undefined;
  #finding: Promise<string> | undefined;
  #held: { readonly worker: Worker; readonly ownership: Ownership } | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes sure that somebody serves the database. Costs nothing while nothing failed. */
  async ensure(): Promise<void> {
    if (this.#socket !== undefined) return;
    this.#finding ??= this.#find().finally(() => {
      this.#finding = undefined;
    });
    this.#socket = await this.#finding;
  }

  /** A stream to the owner; when it breaks, the owner is looked for again. */
  stream(): Socket {
    const stream = new PathSocket(this.#socket ?? '');
    const path = this.#socket;
    stream.once('close', (failed) => {
      if ((failed || this.#held === undefined) && this.#socket === path) this.#socket = undefined;
    });
    return stream;
  }

  async close(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    this.#socket = undefined;
    if (held === undefined) return;
    const ended = new Promise<void>((resolve) => held.worker.once('exit', () => resolve()));
    held.worker.postMessage('end');
    await ended;
    held.ownership.release();
  }

  async #find(): Promise<string> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const folder = realpathSync(this.#folder);
    const socket = embeddedSocketPath(folder);
    if (this.#held !== undefined) return socket;
    const claimed = await claimFolder(folder, socket);
    if ('socket' in claimed) return claimed.socket;
    try {
      const worker = await startWorker({ folder, socket });
      this.#held = { worker, ownership: claimed };
      worker.once('exit', () => {
        // Not ended by us: the database is free for the next who needs it.
        if (this.#held?.worker !== worker) return;
        this.#held = undefined;
        this.#socket = undefined;
        claimed.release();
      });
      return socket;
    } catch (error) {
      claimed.release();
      throw error;
    }
  }
}

function startWorker(input: WorkerInput): Promise<Worker> {
  const worker = new Worker(new URL('./embedded-worker.js', import.meta.url), { workerData: input });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') {
        worker.on('error', () => undefined);
        resolve(worker);
      }
      if (message.kind === 'failed') void worker.terminate().then(() => reject(startFault(input.folder, message)));
    });
  });
}

function startFault(folder: string, { code, message }: { readonly code: string; readonly message: string }): Error {
  if (code === 'version')
    return new KithError('embedded-version', { folder, found: message, expected: EMBEDDED_MAJOR });
  return new KithError('database-fault', {
    why: `the embedded database does not start: ${message}`,
    state: code || 'none',
  });
}
