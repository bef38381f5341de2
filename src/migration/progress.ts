/** Where a migration stands, told as it goes. */
export type MigrationPhase = 'waiting' | 'reading' | 'comparing' | 'writing' | 'indexing' | 'validating' | 'exporting';

export interface MigrationProgress {
  readonly domain: string;
  readonly space: string;
  readonly phase: MigrationPhase;
  /** Rows of this phase that are done. */
  readonly done: number;
  /** Rows of this phase in all; while a datastore is being read, estimated from its bytes; null when nobody knows. */
  readonly total: number | null;
  /** Rows a second in this phase; 0 until it can be told. */
  readonly rate: number;
  readonly secondsLeft: number | null;
}

export type ProgressListener = (progress: MigrationProgress) => void;

/** Milliseconds between two reports of one phase. */
const INTERVAL = 100;

/**
 * Measures one domain's phases and reports them, at most ten times a second; the last report of a phase always comes.
 * The rate is that of the phase as a whole, so that time left does not jump.
 */
export class ProgressMeter {
  readonly #listener: ProgressListener | undefined;
  readonly #source: { readonly domain: string; readonly space: string };
  #phase: MigrationPhase = 'waiting';
  #began = 0;
  #reported = 0;
  #last: { done: number; total: number | null } | null = null;

  constructor(source: { readonly domain: string; readonly space: string }, listener: ProgressListener | undefined) {
    this.#source = source;
    this.#listener = listener;
  }

  begin(phase: MigrationPhase, total: number | null = null): void {
    this.end();
    this.#phase = phase;
    this.#began = performance.now();
    this.#reported = Number.NEGATIVE_INFINITY;
    this.advance(0, total);
  }

  advance(done: number, total: number | null): void {
    this.#last = { done, total };
    if (performance.now() - this.#reported >= INTERVAL) this.#report();
  }

  /** Reports what `advance` held back. */
  end(): void {
    if (this.#last !== null) this.#report();
    this.#last = null;
  }

  #report(): void {
    if (this.#listener === undefined || this.#last === null) return;
    const now = performance.now();
    this.#reported = now;
    const { done, total } = this.#last;
    const rate = now > this.#began ? (done * 1000) / (now - this.#began) : 0;
    const secondsLeft = total === null || rate === 0 ? null : Math.max(0, total - done) / rate;
    this.#listener({ ...this.#source, phase: this.#phase, done, total, rate, secondsLeft });
  }
}
