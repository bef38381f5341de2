import type { Candidate } from './candidate.js';
import type { SearchPlan } from './search-answer.js';

/** How live searches of a domain compared with the same searches done exactly. */
export interface LiveRecall {
  readonly comparisons: number;
  /** Share of comparisons whose first person was the true one. */
  readonly recallAt1: number;
  /** Share of the persons that belong into the answers that were in them. */
  readonly recall: number;
  /** Persons that belong into the answers, and those of them that were there. */
  readonly wanted: number;
  readonly found: number;
  /** Searches drawn for comparing and left out because others were still being compared. */
  readonly dropped: number;
}

interface Tally {
  comparisons: number;
  first: number;
  found: number;
  wanted: number;
  dropped: number;
}

/** A search that was answered by an index, and how to do it again exactly. */
export interface LiveSearch {
  readonly domain: string;
  readonly plan: SearchPlan;
  readonly candidates: readonly Candidate[];
  readonly repeat: () => Promise<readonly Candidate[]>;
}

/** A comparison that took so long is followed by this many times as long without one: a twentieth of one core. */
const REST = 20;
const SAME = 1e-6;

/**
 * Repeats a share of the live searches exactly, off the request path: one at a time, and never more than a twentieth
 * of the time. Searches that were exact already are not compared: that would count them as found.
 */
export class LiveRecallSampler {
  readonly #share: number;
  readonly #random: () => number;
  readonly #tallies = new Map<string, Tally>();
  #working: Promise<void> | undefined;
  #restUntil = 0;

  constructor(share: number, random: () => number = Math.random) {
    this.#share = share;
    this.#random = random;
  }

  offer(search: LiveSearch): void {
    if (search.plan.kind === 'exact' || this.#random() >= this.#share) return;
    if (this.#working !== undefined || performance.now() < this.#restUntil) {
      this.#tally(search.domain).dropped++;
      return;
    }
    this.#working = this.#compare(search).finally(() => {
      this.#working = undefined;
    });
  }

  /** Per domain, since the start. */
  get recall(): ReadonlyMap<string, LiveRecall> {
    return new Map(
      [...this.#tallies].map(([domain, { comparisons, first, found, wanted, dropped }]) => [
        domain,
        {
          comparisons,
          recallAt1: comparisons === 0 ? 1 : first / comparisons,
          recall: wanted === 0 ? 1 : found / wanted,
          wanted,
          found,
          dropped,
        },
      ]),
    );
  }

  /** Waits for the comparison under way. */
  async settled(): Promise<void> {
    await this.#working;
  }

  async #compare({ domain, candidates, repeat }: LiveSearch): Promise<void> {
    const start = performance.now();
    try {
      const exact = await repeat();
      const tally = this.#tally(domain);
      tally.comparisons++;
      if (isSame(candidates[0], exact[0])) tally.first++;
      tally.wanted += exact.length;
      tally.found += exact.filter((wanted) => candidates.some((candidate) => isSame(candidate, wanted))).length;
    } catch {
      // The database is down or the domain gone: nothing was compared, and nobody waits for it.
    } finally {
      const end = performance.now();
      this.#restUntil = end + REST * (end - start);
    }
  }

  #tally(domain: string): Tally {
    const known = this.#tallies.get(domain);
    if (known !== undefined) return known;
    const tally: Tally = { comparisons: 0, first: 0, found: 0, wanted: 0, dropped: 0 };
    this.#tallies.set(domain, tally);
    return tally;
  }
}

/** The same person, or another at the same distance; both absent counts as the same. */
function isSame(given: Candidate | undefined, wanted: Candidate | undefined): boolean {
  if (given === undefined || wanted === undefined) return given === wanted;
  return given.person.id === wanted.person.id || Math.abs(given.distance - wanted.distance) <= SAME;
}
