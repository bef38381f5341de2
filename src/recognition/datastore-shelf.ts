import type { ExactCandidate, ExactIndex, ExactIndexStatus } from '../datastore/exact-index.js';
import { type ExactIndexOptions, type ExactSearch, openExactSearch } from '../datastore/exact-search.js';
import { confidence } from '../embedding/confidence.js';
import { type Embedding, embedding } from '../embedding/embedding.js';
import { type EmbeddingSpace, spaceFromName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import type { Candidate } from '../gallery/candidate.js';
import type { DomainState } from './domain-state.js';
import type { RecognitionEvent } from './options.js';

export interface DatastoreQuery {
  readonly topK: number;
  readonly threshold: number;
  /** Image whose faces are left out. */
  readonly excludeImage?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Times that a datastore is read which changes while it is read. */
const ATTEMPTS = 5;

interface Shelved {
  readonly path: string;
  readonly index: Promise<ExactIndex>;
}

/**
 * The datastores that searches need, each in memory once and searched in a worker. A datastore that vanishes or
 * breaks goes on being served as it was last read, and an alert says so.
 */
export class DatastoreShelf implements AsyncDisposable {
  readonly #shelved = new Map<string, Shelved>();
  readonly #onEvent: (event: RecognitionEvent) => void;
  /** Milliseconds between two looks at a datastore's file. */
  readonly #pollMs: number;
  #exact: ExactSearch | undefined;

  constructor(onEvent: (event: RecognitionEvent) => void, pollMs = 2000) {
    this.#onEvent = onEvent;
    this.#pollMs = pollMs;
  }

  /** Throws `datastore-none` when the domain has no datastore. */
  async index(state: Pick<DomainState, 'domain' | 'datastore'>): Promise<ExactIndex> {
    const { domain, datastore: path } = state;
    if (path === null) throw new KithError('datastore-none', { domain });
    const shelved = this.#shelved.get(domain) ?? this.#open(domain, path);
    if (shelved.path === path) return shelved.index;
    await this.drop(domain);
    return (this.#shelved.get(domain) ?? this.#open(domain, path)).index;
  }

  #open(domain: string, path: string): Shelved {
    const started = performance.now();
    this.#exact ??= openExactSearch();
    const index = this.#load(this.#exact, domain, path);
    const shelved: Shelved = { path, index };
    this.#shelved.set(domain, shelved);
    index.then(
      (opened) => {
        const seconds = (performance.now() - started) / 1000;
        this.#onEvent({ kind: 'datastore-loaded', domain, rows: opened.status().rows, seconds });
      },
      () => this.#shelved.delete(domain),
    );
    return shelved;
  }

  /** The nearest persons of a domain's datastore. Throws the `datastore-…` faults. */
  async search(state: DomainState, probe: Embedding, query: DatastoreQuery): Promise<readonly Candidate[]> {
    const index = await this.index(state);
    const { topK, threshold, excludeImage, signal } = query;
    const found = await index.search(
      probe.values,
      {
        topK,
        threshold,
        metric: probe.space.metric,
        ...(excludeImage === undefined ? {} : { exclude: excludeImage }),
      },
      signal === undefined ? {} : { signal },
    );
    return this.candidates(found, probe.space);
  }

  /** A datastore has no ids: there a person's id is its name. */
  candidates(found: readonly ExactCandidate[], space: EmbeddingSpace): readonly Candidate[] {
    return found.map(({ person, distance, similarity, imagePath, faceNumber }) => ({
      person: { id: person, name: person },
      distance,
      similarity,
      confidence: confidence(distance, space),
      imagePath,
      faceNumber,
    }));
  }

  #watching(domain: string): ExactIndexOptions {
    return { pollMs: this.#pollMs, onChange: (status) => this.#watch(domain, status) };
  }

  /** Tells of an alert when it appears. */
  #watch(domain: string, { alert }: ExactIndexStatus): void {
    if (alert !== null) this.#onEvent({ kind: 'datastore-alert', domain, reason: alert.message });
  }

  /** The space of a domain's datastore: the gallery's when it is known, else what the file name and the rows say. */
  async space(state: DomainState): Promise<EmbeddingSpace> {
    if (state.space !== null) return state.space;
    const status = (await this.index(state)).status();
    if (status.fileSpace === null || status.dimensions === 0)
      throw new KithError('datastore-not-served', {
        path: status.path,
        why: status.alert?.message ?? `it is ${status.state}`,
      });
    return spaceFromName(status.fileSpace, status.dimensions);
  }

  /** Status of the datastores in memory, by domain. */
  async statuses(): Promise<ReadonlyMap<string, ExactIndexStatus>> {
    const opened = await Promise.allSettled(
      [...this.#shelved].map(async ([domain, { index }]) => [domain, (await index).status()] as const),
    );
    return new Map(opened.flatMap((entry) => (entry.status === 'fulfilled' ? [entry.value] : [])));
  }

  /** A file that is replaced while it is read for the first time is read again at once: nothing older could be served. */
  async #load(exact: ExactSearch, domain: string, path: string): Promise<ExactIndex> {
    for (let attempt = 1; ; attempt++) {
      const index = await exact.open(path, this.#watching(domain));
      const { state, alert } = index.status();
      if (state !== 'failed' || alert?.code !== 'datastore-changed' || attempt === ATTEMPTS) return index;
      await index[Symbol.asyncDispose]();
    }
  }

  /** Serves a datastore's new file as soon as it is read, instead of when its change is noticed; until then the old one. */
  async reload({ domain }: Pick<DomainState, 'domain'>): Promise<void> {
    const before = this.#shelved.get(domain);
    if (before === undefined || this.#exact === undefined) return;
    const index = await this.#exact.open(before.path, this.#watching(domain));
    if (this.#shelved.get(domain) !== before || index.status().state !== 'serving') {
      await index[Symbol.asyncDispose]();
      return;
    }
    this.#shelved.set(domain, { path: before.path, index: Promise.resolve(index) });
    await (await before.index)[Symbol.asyncDispose]();
  }

  /** Frees a domain's datastore. */
  async drop(domain: string): Promise<void> {
    const shelved = this.#shelved.get(domain);
    this.#shelved.delete(domain);
    const index = await shelved?.index.catch(() => undefined);
    await index?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#shelved.clear();
    await this.#exact?.[Symbol.asyncDispose]();
  }
}

/** Checks a vector against a space, once, at the door. Throws `embedding-…`. */
export const probeOf = (values: ArrayLike<number>, space: EmbeddingSpace): Embedding =>
  embedding(values instanceof Float32Array ? values : Float32Array.from(values), space);
