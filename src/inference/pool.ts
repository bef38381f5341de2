import { KithError } from '../errors.js';
import { deferred } from './deferred.js';
import { PoolWorker } from './pool-worker.js';

export interface PoolSettings {
  /** Most threads; one is started at once, the others when a job would wait. */
  readonly workers: number;
  /** Most jobs that may wait; one more is refused with `inference-busy`. */
  readonly queue: number;
  /** Most bytes that waiting jobs may hold together, 512 MiB unless given (a job alone may hold more). */
  readonly queueBytes?: number;
  /** Most waiting jobs that a worker takes together when it gets free, 1 unless given. */
  readonly batch?: number;
}

// 14 photos of 12 megapixels.
const QUEUE_BYTES = 512 * 1024 * 1024;

export interface PoolLoad {
  readonly workers: number;
  /** Jobs that workers have in hand. */
  readonly running: number;
  readonly waiting: number;
}

type BatchWorker<Job, Result> = PoolWorker<readonly Job[], readonly Result[]>;

interface Waiting<Job, Result> {
  readonly job: Job;
  readonly bytes: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: Result) => void;
  readonly reject: (fault: unknown) => void;
  /** It failed together with others, and is now to show whether it was the one. */
  alone: boolean;
}

export interface RunOptions {
  /** Takes a waiting job off the queue; a running one goes on in its worker, its result is dropped. */
  readonly signal?: AbortSignal | undefined;
  /** What the job keeps in memory while it waits. */
  readonly bytes?: number;
}

/**
 * Worker threads of one kind with a bounded queue, first come first served. A job goes at once to an idle worker; a
 * worker that gets free takes up to `batch` of those that wait by then.
 *
 *   waiting ──a worker is idle──▶ running ──answer──▶ settled
 *      │ ▲                           ├──it fails, one job in hand──▶ its fault; `inference-worker` where the worker died
 *      │ └──────────alone────────────┘──it fails, several in hand: at the head of the queue again, to run one by one
 *      ├──signal──▶ the signal's reason
 *      └──the pool closes──▶ `inference-closed`
 */
export class WorkerPool<Job, Result> implements AsyncDisposable {
  readonly #program: URL;
  readonly #data: unknown;
  readonly #settings: PoolSettings;
  readonly #workers = new Set<BatchWorker<Job, Result>>();
  readonly #waiting: Waiting<Job, Result>[] = [];
  #running = 0;
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
    return { workers: this.#workers.size, running: this.#running, waiting: this.#waiting.length };
  }

  /** Does a job in a worker. Throws `inference-busy` at once when the queue is full, `inference-closed` after closing. */
  run(job: Job, options: RunOptions = {}): Promise<Result> {
    const { signal, bytes = 0 } = options;
    if (this.#closed) return Promise.reject(new KithError('inference-closed', {}));
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (!this.#canTake(bytes))
      return Promise.reject(new KithError('inference-busy', { waiting: this.#waiting.length }));
    const { promise, resolve, reject } = deferred<Result>();
    const waiting: Waiting<Job, Result> = { job, bytes, signal, resolve, reject, alone: false };
    const abandon = (): void => {
      const place = this.#waiting.indexOf(waiting);
      if (place >= 0) this.#waiting.splice(place, 1);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', abandon, { once: true });
    this.#waiting.push(waiting);
    this.#dispatch();
    return promise.finally(() => signal?.removeEventListener('abort', abandon));
  }

  #canTake(bytes: number): boolean {
    const held = this.#waiting.reduce((sum, waiting) => sum + waiting.bytes, 0);
    const fits = held === 0 || held + bytes <= (this.#settings.queueBytes ?? QUEUE_BYTES);
    if (fits && this.#waiting.length < this.#settings.queue) return true;
    return this.#workers.size < this.#settings.workers || [...this.#workers].some((worker) => worker.idle);
  }

  #start(): BatchWorker<Job, Result> {
    const worker = new PoolWorker<readonly Job[], readonly Result[]>(this.#program, this.#data);
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
  #giveUp(worker: BatchWorker<Job, Result>, fault: unknown): void {
    this.#workers.delete(worker);
    if (this.#workers.size === 0) for (const { reject } of this.#waiting.splice(0)) reject(fault);
  }

  #dispatch(): void {
    for (const worker of this.#workers) {
      if (!worker.idle) continue;
      const jobs = this.#take();
      if (jobs.length === 0) return;
      void this.#give(worker, jobs);
    }
    const starting = [...this.#workers].filter((worker) => worker.starting).length;
    if (!this.#closed && this.#waiting.length > starting && this.#workers.size < this.#settings.workers) this.#start();
  }

  async #give(worker: BatchWorker<Job, Result>, jobs: readonly Waiting<Job, Result>[]): Promise<void> {
    this.#running += jobs.length;
    try {
      const results = await worker.run(jobs.map(({ job }) => job));
      for (const [i, { resolve }] of jobs.entries()) resolve(results[i]!);
    } catch (fault) {
      this.#failed(jobs, fault);
    }
    this.#running -= jobs.length;
    this.#dispatch();
  }

  /** The next jobs for one worker. Those that run alone stand before all others. */
  #take(): Waiting<Job, Result>[] {
    const alone = this.#waiting[0]?.alone ?? false;
    return this.#waiting.splice(0, alone ? 1 : (this.#settings.batch ?? 1));
  }

  /** One job of several must not fail the others, whatever it did: even the worker's death is known only as theirs. */
  #failed(jobs: readonly Waiting<Job, Result>[], fault: unknown): void {
    if (jobs.length === 1 || this.#closed) {
      for (const { reject } of jobs) reject(fault);
      return;
    }
    const again = jobs.filter(({ signal }) => signal?.aborted !== true);
    for (const job of again) job.alone = true;
    this.#waiting.unshift(...again);
  }

  /** Refuses new jobs, fails the waiting ones, lets the running ones finish, then ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new KithError('inference-closed', {}));
    await Promise.all([...this.#workers].map((worker) => worker.close()));
  }
}
