import { confidence } from '../embedding/confidence.js';
import type { EmbeddingSpace } from '../embedding/space.js';
import type { Candidate } from './candidate.js';
import type { FoundFace } from './search-statement.js';
import { splitPath } from './stored-face.js';

export interface RankingOptions {
  readonly threshold: number;
  readonly topK: number;
  readonly excludeImage: string | undefined;
  /** From the operator's distance to the metric's. */
  readonly distance: (found: number) => number;
  readonly space: EmbeddingSpace | null;
}

export interface Ranking {
  readonly candidates: readonly Candidate[];
  /** Distance of the farthest face that was looked at; −Infinity when there was none. */
  readonly farthest: number;
}

function candidateOf(face: FoundFace, distance: number, space: EmbeddingSpace | null): Candidate {
  return {
    person: { id: face.person, name: face.name },
    distance,
    similarity: 1 - distance,
    confidence: space === null ? null : confidence(distance, space),
    ...splitPath(face.image_path),
  };
}

/** Distinct persons within the threshold, nearest first, each with its best face. */
export function rank(faces: readonly FoundFace[], options: RankingOptions): Ranking {
  const { threshold, topK, excludeImage, space } = options;
  const measured = faces
    .map((face) => ({ face, distance: options.distance(face.distance) }))
    // A zero vector, which only an old writer can have stored, is at no distance from anything.
    .filter(({ distance }) => !Number.isNaN(distance))
    .sort((a, b) => a.distance - b.distance || a.face.image_path.localeCompare(b.face.image_path));
  const best = new Map<string, Candidate>();
  for (const { face, distance } of measured) {
    if (distance > threshold || best.size === topK) break;
    if (best.has(face.person)) continue;
    if (excludeImage !== undefined && splitPath(face.image_path).imagePath === excludeImage) continue;
    best.set(face.person, candidateOf(face, distance, space));
  }
  return { candidates: [...best.values()], farthest: measured.at(-1)?.distance ?? Number.NEGATIVE_INFINITY };
}
