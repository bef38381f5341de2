import type { Candidate } from '../gallery/candidate.js';

/** `known`: one person stands out. `ambiguous`: a second person is within the margin of the first. `unknown`: nobody is near enough. */
export type Verdict = 'known' | 'ambiguous' | 'unknown';

/**
 * The verdict of a list of candidates (distinct persons within the threshold, nearest first).
 * The margin is a distance in the space's metric: with 0, only an exact tie is ambiguous.
 */
export function verdict(candidates: readonly Pick<Candidate, 'distance'>[], margin: number): Verdict {
  const [first, second] = candidates;
  if (first === undefined) return 'unknown';
  return second !== undefined && second.distance - first.distance <= margin ? 'ambiguous' : 'known';
}
