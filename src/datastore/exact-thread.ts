import { Worker } from 'node:worker_threads';
import { KithError } from '../errors.js';
import type { ExactAnswer, ExactRequest, Numbered } from './exact-messages.js';

interface Waiting {
  readonly path: string;
  readonly resolve: (answer: ExactAnswer) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The one thread that searches every index: started when first asked, and again after it died. It keeps the process
 * alive only while somebody waits for an answer.
 */
export class ExactThread implements AsyncDisposable {
  #worker: Worker | null = null;
  #closed = false;
  #requests = 0;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onLost: () => void;

  /** `onLost` is told when the thread died and everything that it had loaded is gone. */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  /** Asks on behalf of the datastore at `path`. Rejects with the signal's reason when it aborts; a batch then stops after the probes at hand. */
  async ask(path: string, content: ExactRequest, signal?: AbortSignal): Promise<ExactAnswer> {
    signal?.throwIfAborted();
    if (this.#closed) throw new KithError('datastore-not-served', { path, why: 'exact search was closed' });
    const request = ++this.#requests;
    const worker = this.#started();
    const abort = (): void => {
      this.#waiting.get(request)?.reject(signal?.reason);
      this.#settle(request);
      worker.postMessage({ request: ++this.#requests, content: { kind: 'cancel', request } });
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await new Promise<ExactAnswer>((resolve, reject) => {
        this.#waiting.set(request, { path, resolve, reject });
        worker.ref();
        worker.postMessage({ request, content } satisfies Numbered<ExactRequest>);
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = null;
    this.#failAll('exact search was closed');
    await worker?.terminate();
  }

  #started(): Worker {
    if (this.#worker !== null) return this.#worker;
    const worker = new Worker(new URL('./exact-worker.js', import.meta.url), { name: 'kith-exact-search' });
    worker.on('message', ({ request, content }: Numbered<ExactAnswer>) => {
      this.#waiting.get(request)?.resolve(content);
      this.#settle(request);
    });
    worker.on('error', () => this.#lost(worker));
    worker.on('exit', () => this.#lost(worker));
    this.#worker = worker;
    return worker;
  }

  #lost(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#failAll('its search thread died and is started again');
    this.#onLost();
  }

  #failAll(why: string): void {
    for (const { path, reject } of this.#waiting.values()) reject(new KithError('datastore-not-served', { path, why }));
    this.#waiting.clear();
  }

  #settle(request: number): void {
    this.#waiting.delete(request);
    if (this.#waiting.size === 0) this.#worker?.unref();
  }
}
