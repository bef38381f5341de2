import type { DifferenceClass } from './shadow-comparison.js';
import type { ReplayProgress, ReplayReport } from './shadow-report.js';
import type { ShadowRecord } from './shadow-store.js';

/** Least time between two progress reports, milliseconds. */
const TELL_EVERY = 200;

/** Counts a replay and tells how it goes. */
export class ReplayTally {
  readonly #domain: string;
  readonly #total: number;
  readonly #onProgress: ((progress: ReplayProgress) => void) | undefined;
  readonly #started = performance.now();
  readonly #differences: Partial<Record<DifferenceClass, number>> = {};
  #comparisons = 0;
  #agreed = 0;
  #skipped = 0;
  #legacy = 0;
  #legacyDiffer = 0;
  #toldAt = 0;

  constructor(domain: string, total: number, onProgress: ((progress: ReplayProgress) => void) | undefined) {
    this.#domain = domain;
    this.#total = total;
    this.#onProgress = onProgress;
  }

  add(record: ShadowRecord): void {
    this.#comparisons++;
    if (record.agreed) this.#agreed++;
    if (record.class !== null) this.#differences[record.class] = (this.#differences[record.class] ?? 0) + 1;
    this.#tell();
  }

  skip(): void {
    this.#skipped++;
    this.#tell();
  }

  addLegacy(differs: boolean): void {
    this.#legacy++;
    if (differs) this.#legacyDiffer++;
  }

  skipLegacy(): void {
    this.#skipped++;
  }

  #tell(): void {
    const done = this.#comparisons + this.#skipped;
    const now = performance.now();
    if (this.#onProgress === undefined || (now - this.#toldAt < TELL_EVERY && done < this.#total)) return;
    this.#toldAt = now;
    const rate = done / ((now - this.#started) / 1000);
    // A photo may show several faces: then more probes come than files were counted.
    const left = Math.max(0, this.#total - done);
    this.#onProgress({ done, total: Math.max(this.#total, done), rate, secondsLeft: rate > 0 ? left / rate : null });
  }

  report(legacyFind: boolean): ReplayReport {
    return {
      domain: this.#domain,
      comparisons: this.#comparisons,
      agreed: this.#agreed,
      differences: this.#differences,
      skipped: this.#skipped,
      legacyFind: legacyFind ? { comparisons: this.#legacy, differ: this.#legacyDiffer } : null,
      seconds: Math.round((performance.now() - this.#started) / 10) / 100,
    };
  }
}
