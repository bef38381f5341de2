import type { Embedding } from '../embedding/embedding.js';
import type { Candidate } from '../gallery/candidate.js';
import type { Cutover } from './cutover-record.js';
import type { DatastoreShelf } from './datastore-shelf.js';
import type { DomainQuery } from './domain-query.js';
import type { DomainState } from './domain-state.js';

/** Searches that a watch must have seen before its rates count. */
const ENOUGH = 20;
/** Failures one after the other that need no further ones to count: the database is gone. */
const OUTAGE = 5;
/** Longest that a watched search waits for the gallery before it counts as failed, milliseconds. */
const PATIENCE = 2000;

interface Tally {
  searches: number;
  errors: number;
  /** Errors since the last search that did not fail. */
  inARow: number;
  empties: number;
  /** The rollback was asked for. */
  over: boolean;
}

export type Trip = (state: DomainState, cutover: Cutover, why: string) => Promise<void>;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/**
 * Watches a domain after its cutover. While it does, the datastore is the safety net: a search that the gallery fails,
 * or answers with nobody where the datastore finds somebody, is answered by the datastore and counted. When a rate
 * passes its bound, the domain is rolled back. Each service counts what it saw itself.
 */
export class CutoverWatch {
  readonly #datastores: DatastoreShelf;
  readonly #trip: Trip;
  readonly #tallies = new Map<string, Tally>();

  constructor(datastores: DatastoreShelf, trip: Trip) {
    this.#datastores = datastores;
    this.#trip = trip;
  }

  isWatching({ cutover, datastore }: DomainState): boolean {
    return (
      cutover !== null && cutover.state === 'watching' && Number(cutover.watchUntil) > Date.now() && datastore !== null
    );
  }

  async search(
    state: DomainState,
    probe: Embedding,
    query: DomainQuery,
    inGallery: (query: DomainQuery) => Promise<readonly Candidate[]>,
  ): Promise<readonly Candidate[]> {
    const tally = this.#tally(state);
    tally.searches++;
    const patience = AbortSignal.timeout(PATIENCE);
    const signal = query.signal === undefined ? patience : AbortSignal.any([query.signal, patience]);
    try {
      const answer = await inGallery({ ...query, signal });
      tally.inARow = 0;
      return answer.length > 0 ? answer : await this.#emptied(state, probe, query, tally);
    } catch (error) {
      query.signal?.throwIfAborted();
      tally.errors++;
      tally.inARow++;
      const [answer] = await Promise.all([
        this.#datastores.search(state, probe, query).catch(() => Promise.reject(error)),
        this.#judge(state, tally),
      ]);
      return answer;
    }
  }

  /** The gallery knows nobody. So may the datastore: then that is the answer. */
  async #emptied(
    state: DomainState,
    probe: Embedding,
    query: DomainQuery,
    tally: Tally,
  ): Promise<readonly Candidate[]> {
    const answer = await this.#datastores.search(state, probe, query).catch(() => []);
    if (answer.length === 0) return [];
    tally.empties++;
    await this.#judge(state, tally);
    return answer;
  }

  #tally({ cutover }: DomainState): Tally {
    const id = cutover?.id ?? '';
    const tally = this.#tallies.get(id) ?? { searches: 0, errors: 0, inARow: 0, empties: 0, over: false };
    this.#tallies.set(id, tally);
    return tally;
  }

  async #judge(state: DomainState, tally: Tally): Promise<void> {
    const { cutover } = state;
    if (cutover === null || tally.over || (tally.searches < ENOUGH && tally.inARow < OUTAGE)) return;
    const why = judgement(tally, cutover);
    if (why === null) return;
    tally.over = true;
    try {
      await this.#trip(state, cutover, why);
    } catch {
      // Not even this machine's own note could be written; the next search judges again.
      tally.over = false;
    }
  }
}

function judgement({ searches, errors, empties }: Tally, cutover: Cutover): string | null {
  if (errors / searches > cutover.maxErrorRate)
    return `${errors} of ${searches} searches failed (${percent(errors / searches)}, bound ${percent(cutover.maxErrorRate)})`;
  if (empties / searches > cutover.maxEmptyRate)
    return `${empties} of ${searches} searches found nobody where the datastore finds somebody (${percent(empties / searches)}, bound ${percent(cutover.maxEmptyRate)})`;
  return null;
}
