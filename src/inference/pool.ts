import { KithError } from '../errors.js';
import { PoolWorker } from './pool-worker.js';

export interface PoolSettings {
  /** Most threads; one is started at once, the others when a job would wait. */
  readonly workers: number;
  /** Most jobs that may wait; one more is refused with `inference-busy`. */
  readonly queue: number;
  /** Most bytes that waiting jobs may hold together, 512 MiB unless given (a job alone may hold more). */
  readonly queueBytes?: number;
}

// 14 photos of 12 megapixels.
const QUEUE_BYTES = 512 * 1024 * 1024;

export interface PoolLoad {
  readonly workers: number;
  readonly busy: number;
  readonly waiting: number;
}

interface Waiting<Job, Result> {
  readonly job: Job;
  readonly bytes: number;
  readonly transfer: readonly ArrayBuffer[];
  readonly settle: (outcome: Promise<Result>) => void;
}

export interface RunOptions {
  /** Takes a waiting job off the queue; a running one goes on in its worker, its result is dropped. */
  readonly signal?: AbortSignal | undefined;
  /** What the job keeps in memory while it waits. */
  readonly bytes?: number;
  /** Buffers that are handed over instead of copied. */
  readonly transfer?: readonly ArrayBuffer[];
}

/**
 * Worker threads of one kind with a bounded queue, first come first served.
 *
 *   waiting ──a worker is idle──▶ running ──answer──▶ settled
 *      │                             └──the worker dies──▶ `inference-worker`; the next job starts a new worker
 *      ├──signal──▶ the signal's reason
 *      └──the pool closes──▶ `inference-closed`
 */
export class WorkerPool<Job, Result> implements AsyncDisposable {
  readonly #program: URL;
  readonly #data: unknown;
  readonly #settings: PoolSettings;
  readonly #workers = new Set<PoolWorker<Job, Result>>();
  readonly #waiting: Waiting<Job, Result>[] = [];
  #closed = false;

  private constructor(program: URL, data: unknown, settings: PoolSettings) {
    this.#program = program;
    this.#data = data;
    this.#settings = settings;
  }

  /**
   * Starts the first worker and answers when it is ready, with what it says about itself. `program` calls
   * {@link serveJobs}; `data` is cloned to every worker. Rejects with the fault that kept the worker from starting.
   */
  static async open<Job, Result>(
    program: URL,
    data: unknown,
    settings: PoolSettings,
  ): Promise<{ pool: WorkerPool<Job, Result>; about: unknown }> {
    const pool = new WorkerPool<Job, Result>(program, data, settings);
    return { pool, about: await pool.#start().ready };
  }

  get load(): PoolLoad {
    const busy = [...this.#workers].filter((worker) => !worker.idle).length;
    return { workers: this.#workers.size, busy, waiting: this.#waiting.length };
  }

  /** Does a job in a worker. Throws `inference-busy` at once when the queue is full, `inference-closed` after closing. */
  run(job: Job, options: RunOptions = {}): Promise<Result> {
    const { signal, bytes = 0, transfer = [] } = options;
    if (this.#closed) return Promise.reject(new KithError('inference-closed', {}));
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (!this.#canTake(bytes))
      return Promise.reject(new KithError('inference-busy', { waiting: this.#waiting.length }));
    return new Promise<Result>((resolve, reject) => {
      const abandon = (): void => {
        const place = this.#waiting.indexOf(waiting);
        if (place >= 0) this.#waiting.splice(place, 1);
        reject(signal?.reason);
      };
      const waiting: Waiting<Job, Result> = {
        job,
        bytes,
        transfer,
        settle: (outcome) => {
          const done = (): void => signal?.removeEventListener('abort', abandon);
          outcome.then(resolve, reject).finally(done);
        },
      };
      signal?.addEventListener('abort', abandon, { once: true });
      this.#waiting.push(waiting);
      this.#dispatch();
    });
  }

  #canTake(bytes: number): boolean {
    const held = this.#waiting.reduce((sum, waiting) => sum + waiting.bytes, 0);
    const fits = held === 0 || held + bytes <= (this.#settings.queueBytes ?? QUEUE_BYTES);
    if (fits && this.#waiting.length < this.#settings.queue) return true;
    return this.#workers.size < this.#settings.workers || [...this.#workers].some((worker) => worker.idle);
  }

  #start(): PoolWorker<Job, Result> {
    const worker = new PoolWorker<Job, Result>(this.#program, this.#data);
    this.#workers.add(worker);
    worker.ready.then(
      () => this.#dispatch(),
      (fault: unknown) => this.#giveUp(worker, fault),
    );
    void worker.exited.then(() => {
      this.#workers.delete(worker);
      this.#dispatch();
    });
    return worker;
  }

  /** A worker that cannot start fails the jobs that no other worker would take. */
  #giveUp(worker: PoolWorker<Job, Result>, fault: unknown): void {
    this.#workers.delete(worker);
    if (this.#workers.size === 0) for (const waiting of this.#waiting.splice(0)) waiting.settle(Promise.reject(fault));
  }

  #dispatch(): void {
    for (const worker of this.#workers) {
      if (!worker.idle) continue;
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const outcome = worker.run(next.job, next.transfer);
      next.settle(outcome);
      outcome.then(
        () => this.#dispatch(),
        () => this.#dispatch(),
      );
    }
    const starting = [...this.#workers].filter((worker) => worker.starting).length;
    if (!this.#closed && this.#waiting.length > starting && this.#workers.size < this.#settings.workers) this.#start();
  }

  /** Refuses new jobs, fails the waiting ones, lets the running ones finish, then ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting.splice(0))
      waiting.settle(Promise.reject(new KithError('inference-closed', {})));
    await Promise.all([...this.#workers].map((worker) => worker.close()));
  }
}
