import { Worker } from 'node:worker_threads';
import { KithError } from '../errors.js';
import { type Deferred, deferred } from './deferred.js';
import { forget, lower, raise, raiseFlag } from './native-work.js';
import { type FromWorker, receiveError, type ToWorker, type WorkerStart } from './worker-protocol.js';

// Pixels and weights lie outside the heap, so a worker that needs more than this is out of control.
const HEAP_CEILING_MB = 512;

/** One thread of a pool; does one job at a time. It keeps the process alive only while it starts or works. */
export class PoolWorker<Job, Result> {
  readonly #thread: Worker;
  readonly #native = raiseFlag();
  readonly #ready = deferred<unknown>();
  readonly #exited = deferred<void>();
  #state: 'starting' | 'idle' | 'busy' | 'gone' = 'starting';
  #job: { readonly id: number; readonly outcome: Deferred<Result> } | null = null;
  #jobs = 0;
  #death = 'the worker ended';

  constructor(program: URL, data: unknown) {
    const start: WorkerStart = { settings: data, native: this.#native };
    this.#thread = new Worker(program, {
      workerData: start,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_CEILING_MB },
    });
    this.#thread.on('message', (message: FromWorker) => this.#receive(message));
    this.#thread.on('error', (error: unknown) => {
      this.#death = error instanceof Error ? error.message : String(error);
    });
    this.#thread.once('exit', () => this.#end());
    // A start that nobody waits for any more must not count as an unhandled rejection.
    this.#ready.promise.catch(() => undefined);
  }

  /** What the worker says about itself, once it takes jobs. */
  get ready(): Promise<unknown> {
    return this.#ready.promise;
  }

  get exited(): Promise<void> {
    return this.#exited.promise;
  }

  get starting(): boolean {
    return this.#state === 'starting';
  }

  get idle(): boolean {
    return this.#state === 'idle';
  }

  /** Only when idle. */
  run(job: Job): Promise<Result> {
    const outcome = deferred<Result>();
    this.#job = { id: this.#jobs++, outcome };
    this.#state = 'busy';
    this.#thread.ref();
    raise(this.#native);
    try {
      this.#send({ kind: 'job', id: this.#job.id, job });
    } catch (error) {
      lower(this.#native);
      this.#settle(() => outcome.reject(error));
    }
    return outcome.promise;
  }

  async close(): Promise<void> {
    if (this.#state === 'gone') return;
    await this.#job?.outcome.promise.catch(() => undefined);
    await this.#ready.promise.catch(() => undefined);
    this.#thread.ref();
    raise(this.#native);
    this.#send({ kind: 'close' });
    await this.#exited.promise;
  }

  #send(message: ToWorker): void {
    this.#thread.postMessage(message);
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.#state = 'idle';
        this.#thread.unref();
        this.#ready.resolve(message.about);
        return;
      case 'done':
        if (message.id === this.#job?.id) this.#settle((job) => job.resolve(message.result as Result));
        return;
      case 'failed': {
        const fault = receiveError(message.error);
        if (message.id === null) this.#ready.reject(fault);
        else if (message.id === this.#job?.id) this.#settle((job) => job.reject(fault));
        return;
      }
    }
  }

  #settle(how: (outcome: Deferred<Result>) => void): void {
    const job = this.#job;
    this.#job = null;
    this.#state = 'idle';
    this.#thread.unref();
    if (job !== null) how(job.outcome);
  }

  #end(): void {
    this.#state = 'gone';
    forget(this.#native);
    const fault = new KithError('inference-worker', { reason: this.#death });
    this.#ready.reject(fault);
    this.#job?.outcome.reject(fault);
    this.#job = null;
    this.#exited.resolve();
  }
}
