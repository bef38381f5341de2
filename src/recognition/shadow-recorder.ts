import type { Embedding } from '../embedding/embedding.js';
import type { Candidate } from '../gallery/candidate.js';
import type { DomainQuery } from './domain-query.js';
import type { DomainState } from './domain-state.js';
import type { GallerySource } from './gallery-source.js';
import type { RecognitionEvent, ShadowOptions } from './options.js';
import { compareAnswers } from './shadow-classify.js';
import type { ProbeIdentity, SideAnswer } from './shadow-comparison.js';
import { addDropped, expireComparisons, insertComparisons, type ShadowRecord } from './shadow-store.js';
import { galleryWitnesses } from './shadow-witness.js';

/** Comparisons whose searches run at once. Each may hold a photo until its cause is found, so they are few. */
const UNDER_WAY = 16;
/** Longest that the gallery's side may take, milliseconds. */
const PATIENCE = 10_000;
/** How often what was compared is written, and, after a failure, tried again, milliseconds. */
const WRITE_EVERY = 250;
const WRITE_AGAIN = 2000;
/** How often old comparisons are deleted, milliseconds. */
const EXPIRE_EVERY = 3_600_000;

/** A search in dual mode that both sides answer. */
export interface ShadowOffer {
  readonly state: DomainState;
  readonly probe: Embedding;
  readonly query: DomainQuery;
  readonly identity: ProbeIdentity;
  /** The answer that the caller gets, under way. */
  readonly datastore: Promise<readonly Candidate[]>;
}

const reasonOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'failed';

async function answerOf(started: number, answer: Promise<readonly Candidate[]>): Promise<SideAnswer> {
  try {
    const candidates = await answer;
    return { ok: true, candidates, ms: performance.now() - started };
  } catch (error) {
    return { ok: false, error: reasonOf(error), ms: performance.now() - started };
  }
}

/**
 * The other half of dual mode. It is told of a search when it starts, asks the gallery at the same time, and compares,
 * classes and writes on its own time: the caller neither waits for it nor fails with it. What is beyond its bounds is
 * dropped and counted.
 */
export class ShadowRecorder implements AsyncDisposable {
  readonly #source: GallerySource;
  readonly #options: ShadowOptions;
  readonly #onEvent: (event: RecognitionEvent) => void;
  readonly #underWay = new Set<Promise<void>>();
  readonly #dropped = new Map<string, number>();
  #waiting: ShadowRecord[] = [];
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #expiredAt = 0;
  #closed = false;

  constructor(source: GallerySource, options: ShadowOptions, onEvent: (event: RecognitionEvent) => void) {
    this.#source = source;
    this.#options = options;
    this.#onEvent = onEvent;
  }

  /** Never throws and never waits. */
  offer(offer: ShadowOffer): void {
    const { domain } = offer.state;
    if (this.#closed || Math.random() >= this.#options.sampling) return;
    if (this.#underWay.size >= UNDER_WAY || this.#waiting.length >= this.#options.queue) {
      this.#drop(domain, 1);
      return;
    }
    const comparing = this.#compare(offer)
      .catch(() => this.#drop(domain, 1))
      .finally(() => this.#underWay.delete(comparing));
    this.#underWay.add(comparing);
  }

  async #compare({ state, probe, query, identity, datastore }: ShadowOffer): Promise<void> {
    const at = new Date();
    const started = performance.now();
    const { topK, threshold } = query;
    const signal = AbortSignal.timeout(PATIENCE);
    const [ours, theirs] = await Promise.all([
      answerOf(started, datastore),
      answerOf(started, this.#askGallery(state.domain, probe, { topK, threshold, signal })),
    ]);
    // A caller that left took its search along: there is nothing to compare.
    if (!ours.ok && query.signal?.aborted === true) return;
    const compared = { probe, threshold, topK, datastore: ours, gallery: theirs };
    const witnesses = galleryWitnesses(this.#source, state.domain, compared, identity, signal);
    const comparison = await compareAnswers(compared, witnesses);
    this.#keep({
      ...comparison,
      domain: state.domain,
      source: 'traffic',
      arm: 'represent',
      probe: identity.sha256,
      at,
      datastore: ours,
      gallery: theirs,
    });
  }

  async #askGallery(domain: string, probe: Embedding, query: DomainQuery): Promise<readonly Candidate[]> {
    const gallery = await this.#source.get();
    const { topK, threshold, signal } = query;
    return gallery.findMatches(probe, domain, { topK, threshold, ...(signal === undefined ? {} : { signal }) });
  }

  #keep(record: ShadowRecord): void {
    this.#onEvent({ kind: 'shadow-compared', domain: record.domain, agreed: record.agreed, class: record.class });
    this.#waiting.push(record);
    this.#schedule(WRITE_EVERY);
  }

  #drop(domain: string, count: number): void {
    this.#dropped.set(domain, (this.#dropped.get(domain) ?? 0) + count);
    this.#onEvent({ kind: 'shadow-dropped', domain, dropped: count });
    this.#schedule(WRITE_EVERY);
  }

  #schedule(after: number): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#write().then(
        () => (this.#waiting.length > 0 ? this.#schedule(WRITE_EVERY) : undefined),
        () => this.#schedule(WRITE_AGAIN),
      );
    }, after).unref();
  }

  /** One write at a time: whoever asks while one is under way waits for it. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeWaiting().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeWaiting(): Promise<void> {
    const { database } = await this.#source.get();
    const records = this.#waiting.slice(0, 500);
    await insertComparisons(database, records);
    this.#waiting = this.#waiting.slice(records.length);
    for (const [domain, dropped] of this.#dropped) {
      await addDropped(database, domain, dropped);
      const since = (this.#dropped.get(domain) ?? 0) - dropped;
      if (since > 0) this.#dropped.set(domain, since);
      else this.#dropped.delete(domain);
    }
    if (Date.now() - this.#expiredAt < EXPIRE_EVERY) return;
    this.#expiredAt = Date.now();
    await expireComparisons(database, this.#options.retentionDays);
  }

  /** Waits until everything offered so far is compared and written; throws when it cannot be written. */
  async flush(): Promise<void> {
    await Promise.all(this.#underWay);
    while (this.#waiting.length > 0 || this.#dropped.size > 0) await this.#write();
  }

  /** Writes what waits, if the database takes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.flush().catch(() => undefined);
  }
}
