import { queryFrame, statusAtEnd } from './wire-frame.js';

/** Runs one batch of protocol messages on the backend and answers what it said. */
export type Execute = (messages: Buffer) => Promise<Buffer>;

interface Job {
  /** Who waits for it; jobs of one session run in the order in which they came. */
  readonly session: object;
  readonly messages: Buffer;
  /** The batch ends without Sync: the backend is the session's until the rest has come. */
  readonly open: boolean;
  readonly answer: (bytes: Buffer) => void;
}

// A client that forgot its transaction would stop everybody else.
const IDLE_IN_TRANSACTION_MS = 600_000;

/**
 * One backend for several sessions. A batch (up to Sync) runs whole; a session that is in a transaction keeps the
 * backend until the transaction ends, and the others wait in order:
 *
 *     free ── batch ends with status I ──▶ free
 *     free ── batch ends with status T or E, or without Sync ──▶ held by its session
 *     held ── batch of the holder ends with status I, or the holder leaves ──▶ free
 */
export class EmbeddedBackend {
  readonly #execute: Execute;
  readonly #onIdleHolder: (session: object) => void;
  readonly #queue: Job[] = [];
  #holder: object | undefined;
  #patience: NodeJS.Timeout | undefined;
  #running = false;

  /** `onIdleHolder` is told of a session that kept the backend for ten minutes without using it. */
  constructor(execute: Execute, onIdleHolder: (session: object) => void) {
    this.#execute = execute;
    this.#onIdleHolder = onIdleHolder;
  }

  submit(job: Job): void {
    this.#queue.push(job);
    this.#next();
  }

  /** The session is gone: what it had not sent to the backend is dropped, its transaction rolled back. */
  leave(session: object, farewell: Buffer | undefined): void {
    for (let at = this.#queue.length - 1; at >= 0; at--)
      if (this.#queue[at]!.session === session) this.#queue.splice(at, 1);
    const answer = (): void => undefined;
    if (this.#holder === session)
      this.#queue.unshift({ session, messages: queryFrame('rollback'), open: false, answer });
    if (farewell !== undefined) this.#queue.push({ session: {}, messages: farewell, open: false, answer });
    this.#next();
  }

  /** Whether nothing runs, waits or holds a transaction open. */
  get idle(): boolean {
    return !this.#running && this.#holder === undefined && this.#queue.length === 0;
  }

  #next(): void {
    if (this.#running) return;
    const at = this.#holder === undefined ? 0 : this.#queue.findIndex(({ session }) => session === this.#holder);
    const [job] = at < 0 ? [] : this.#queue.splice(at, 1);
    if (job === undefined) return;
    this.#running = true;
    clearTimeout(this.#patience);
    void this.#run(job);
  }

  async #run(job: Job): Promise<void> {
    const bytes = await this.#execute(job.messages);
    this.#holder = job.open || statusAtEnd(bytes) !== 'I' ? job.session : undefined;
    job.answer(bytes);
    if (this.#holder !== undefined) this.#watch(this.#holder);
    this.#running = false;
    // The event loop first: what other sessions sent while the backend was busy has its turn.
    setImmediate(() => this.#next());
  }

  #watch(holder: object): void {
    this.#patience = setTimeout(() => this.#onIdleHolder(holder), IDLE_IN_TRANSACTION_MS);
    this.#patience.unref();
  }
}
