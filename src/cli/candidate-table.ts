import type { Candidate } from '../gallery/candidate.js';
import { tableLines } from './table.js';

/** Candidates for a person's eyes; nothing when there are none. */
export function* candidateLines(candidates: readonly Candidate[]): Generator<string> {
  if (candidates.length === 0) return;
  const rows = candidates.map(({ person, distance, confidence, imagePath, faceNumber }) => [
    person.name,
    distance.toFixed(4),
    confidence === null ? '–' : confidence.toFixed(1),
    faceNumber === 1 ? imagePath : `${imagePath} (face ${faceNumber})`,
  ]);
  for (const line of tableLines(['person', 'distance', 'confidence', 'image'], rows)) yield `  ${line}`;
}
