import { type Logger, pino } from 'pino';
import type { Config } from '../config/schema.js';
import { openLogger } from './app.js';

/** Bytes of log that may wait for a reader; what is beyond is dropped. */
const MOST_WAITING = 8 * 1024 * 1024;
/** Milliseconds that a reader has for the rest when the service ends. */
const LAST_PATIENCE = 1_000;

/**
 * The service's log on stdout. A reader that does not read (a stuck log shipper, a full disk behind it) holds neither
 * a request nor the end of the service: lines wait in memory, then are dropped.
 */
export class ServiceLog implements Disposable {
  readonly logger: Logger;
  readonly #destination: ReturnType<typeof pino.destination>;
  #patience = Number.POSITIVE_INFINITY;

  constructor(config: Config) {
    this.#destination = pino.destination({
      dest: 1,
      sync: false,
      maxLength: MOST_WAITING,
      retryEAGAIN: () => performance.now() < this.#patience,
    });
    // Nobody is left to be told that the log cannot be written.
    this.#destination.on('error', () => undefined);
    this.logger = openLogger(config, this.#destination);
  }

  [Symbol.dispose](): void {
    this.#patience = performance.now() + LAST_PATIENCE;
    try {
      this.#destination.flushSync();
    } catch {
      // The reader did not take it in time.
    }
    this.#destination.destroy();
  }
}
