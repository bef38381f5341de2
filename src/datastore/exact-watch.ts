import { basename } from 'node:path';
import { embedding } from '../embedding/embedding.js';
import { type SpaceName, spaceFromName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import { fileState } from './datastore-file.js';
import type { ExactProbe } from './exact-faces.js';
import type {
  ExactCandidate,
  ExactIndex,
  ExactIndexAlert,
  ExactIndexStatus,
  ExactSearchOptions,
} from './exact-index.js';
import type { ExactFault, LoadedFaces } from './exact-messages.js';
import type { ExactThread } from './exact-thread.js';
import { spaceOfFileName } from './file-name.js';

export interface ExactIndexOptions {
  /** Dimension of the faces to search; that of most rows when left out. */
  readonly dimensions?: number;
  /** Milliseconds between two looks at the file. Default 2000. */
  readonly pollMs?: number;
  /** Told after each load and whenever the alert begins or ends: for logs and metrics. */
  readonly onChange?: (status: ExactIndexStatus) => void;
}

/** Faults that the same bytes need not give again. */
const PASSING: readonly string[] = ['datastore-changed', 'datastore-unreadable', 'datastore-not-served'];
const UNKNOWN_SPACE: SpaceName = { model: 'unknown', detector: null, aligned: null, normalization: null, expand: null };

/**
 * A datastore that is searched and watched. States, seen from the file:
 *
 *   not loaded ──load──▶ serving ──file changes──▶ (settles: equal at two looks) ──load──▶ serving, the new one
 *                                                                              └─fails──▶ serving the old one, alert
 *
 * A file that is missing, broken, half-written or empty never replaces one that was loaded: DeepFace empties its
 * datastore for as long as a rebuild takes. Such a file raises the alert once and is looked at again when it changes.
 */
export class WatchedIndex implements ExactIndex {
  readonly #thread: ExactThread;
  readonly #number: number;
  readonly #path: string;
  readonly #options: ExactIndexOptions;
  readonly #onClosed: () => void;
  readonly #fileSpace: SpaceName | null;
  #faces: LoadedFaces | null = null;
  #state: ExactIndexStatus['state'] = 'failed';
  #loadedAt: Date | null = null;
  #loads = 0;
  #failures = 0;
  #alert: ExactIndexAlert | null = null;
  /** The file's state at the last look, and at the last load whatever came of it. */
  #seen: string | null = null;
  #tried: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(thread: ExactThread, number: number, path: string, options: ExactIndexOptions, onClosed: () => void) {
    this.#onClosed = onClosed;
    this.#thread = thread;
    this.#number = number;
    this.#path = path;
    this.#options = options;
    this.#fileSpace = spaceOfFileName(basename(path));
  }

  /** Loads for the first time and begins to watch. What is wrong with the file becomes the status, not a fault. */
  async start(): Promise<void> {
    await this.#load();
    this.#watch();
  }

  status(): ExactIndexStatus {
    const { rows = 0, faces = 0, persons = 0, dimensions = 0 } = this.#faces ?? {};
    return Object.freeze({
      state: this.#state,
      path: this.#path,
      fileSpace: this.#fileSpace,
      ...{ dimensions, rows, faces, persons },
      loadedAt: this.#loadedAt,
      reloads: Math.max(0, this.#loads - 1),
      failedReloads: this.#failures,
      alert: this.#alert,
    });
  }

  async search(
    values: Float32Array,
    { exclude, ...options }: ExactSearchOptions,
    more: { signal?: AbortSignal } = {},
  ): Promise<readonly ExactCandidate[]> {
    const [candidates = []] = await this.searchBatch([{ values, exclude }], options, more);
    return candidates;
  }

  async searchBatch(
    probes: readonly ExactProbe[],
    { topK, threshold = Infinity, metric = 'cosine' }: Omit<ExactSearchOptions, 'exclude'>,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<readonly (readonly ExactCandidate[])[]> {
    if (this.#state === 'failed') throw this.#notServed(this.#alert?.message ?? 'it was not loaded yet');
    if (this.#state === 'empty' || this.#faces === null) return probes.map(() => []);
    const space = spaceFromName(this.#fileSpace ?? UNKNOWN_SPACE, this.#faces.dimensions);
    for (const { values } of probes) embedding(values, space);
    const criteria = { topK: Math.max(1, Math.floor(topK)), threshold, metric };
    const request = { kind: 'search', index: this.#number, probes, criteria } as const;
    const answer = await this.#thread.ask(this.#path, request, signal);
    if (answer.kind !== 'found') throw this.#notServed(answer.kind === 'fault' ? answer.fault.message : answer.kind);
    return answer.found;
  }

  /** The search thread died: what it held must be loaded again. */
  lost(): void {
    this.#state = 'failed';
    this.#faces = null;
    this.#tried = null;
    this.#raise({ code: 'datastore-not-served', message: 'the search thread died; the datastore is loaded again' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClosed();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
    await this.#thread.ask(this.#path, { kind: 'unload', index: this.#number }).catch(() => undefined);
  }

  #watch(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#watch());
    }, this.#options.pollMs ?? 2000);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const state = await fileState(this.#path).catch((fault: unknown) => this.#failed(faultOf(fault)));
    if (state === undefined) {
      this.#seen = null;
      return;
    }
    const settled = state.key === this.#seen;
    this.#seen = state.key;
    if (this.#faces !== null && state.key === this.#faces.key) this.#calm();
    else if (settled && state.key !== this.#tried) await this.#load();
  }

  async #load(): Promise<void> {
    const { dimensions = null } = this.#options;
    try {
      this.#tried = (await fileState(this.#path)).key;
      this.#seen = this.#tried;
      const request = { kind: 'load', index: this.#number, path: this.#path, dimensions } as const;
      const answer = await this.#thread.ask(this.#path, request);
      if (answer.kind === 'loaded') this.#loaded(answer.loaded);
      else this.#failed(answer.kind === 'fault' ? answer.fault : { code: 'internal', message: answer.kind });
    } catch (fault) {
      this.#failed(faultOf(fault));
    }
  }

  #loaded(faces: LoadedFaces): void {
    if (faces.rows > 0 || this.#faces === null) {
      this.#faces = faces.rows > 0 ? faces : null;
      this.#state = faces.rows > 0 ? 'serving' : 'empty';
      this.#loadedAt = new Date();
      this.#loads++;
      this.#alert = null;
      this.#options.onChange?.(this.status());
    } else
      this.#failed({
        code: 'datastore-empty',
        message: 'the datastore has no rows: it is being rebuilt, or its rebuild failed',
      });
  }

  #failed(fault: ExactFault): void {
    if (PASSING.includes(fault.code)) this.#tried = null;
    if (this.#alert?.code === fault.code) return;
    this.#failures++;
    this.#raise(fault);
  }

  #raise({ code, message }: ExactFault): void {
    this.#alert = Object.freeze({ code, message, since: new Date() });
    this.#options.onChange?.(this.status());
  }

  /** The file is again the one that is served. */
  #calm(): void {
    if (this.#alert === null) return;
    this.#alert = null;
    this.#options.onChange?.(this.status());
  }

  #notServed(why: string): KithError {
    return new KithError('datastore-not-served', { path: this.#path, why });
  }
}

const faultOf = (fault: unknown): ExactFault =>
  fault instanceof KithError
    ? { code: fault.code, message: fault.message }
    : { code: 'internal', message: String(fault) };
