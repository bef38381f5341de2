import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Shared memory does not count as a worker's own, so its collector would let gigabytes of photos pile up unseen.
const LEFT_UNCOLLECTED = 24 * 1024 * 1024;

/** Lets go of photos that a worker is done with: collects garbage after every 24 MiB of them (a few milliseconds). */
export class SharedMemoryCollector {
  readonly #collect: () => void;
  #seen = 0;

  constructor() {
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
  }

  /** Told of each photo's bytes when it has been computed. */
  done(bytes: number): void {
    this.#seen += bytes;
    if (this.#seen < LEFT_UNCOLLECTED) return;
    this.#seen = 0;
    this.#collect();
  }
}
