import { vectorDistance } from '../embedding/distance.js';
import { inspectVector } from '../embedding/embedding.js';
import type { Metric } from '../embedding/space.js';
import type { ExactCandidate } from './exact-index.js';
import { ExactMatrix, type WIDE } from './exact-matrix.js';
import { type DatastoreRow, personOf, rowFlaw } from './row.js';

/** One probe of a search; `exclude` is the path of an image whose faces are left out. */
export interface ExactProbe {
  readonly values: Float32Array;
  readonly exclude?: string | undefined;
}

export interface ExactCriteria {
  readonly topK: number;
  readonly threshold: number;
  readonly metric: Metric;
}

/**
 * The faces of a datastore in memory, searched exactly: a pass in single precision over all, then every face that the
 * rounding of that pass could have put in the wrong place again in double precision.
 */
export class ExactFaces {
  readonly #matrix: ExactMatrix;
  readonly #norms: number[] = [];
  #largestNorm = 0;
  readonly #people: string[] = [];
  readonly #personIds = new Map<string, number>();
  /** Per face: person, row in the datastore, path, number within its image. */
  readonly #persons: number[] = [];
  readonly #rows: number[] = [];
  readonly #paths: string[] = [];
  readonly #faceNumbers: number[] = [];
  /** Per path its faces. */
  readonly #images = new Map<string, number[]>();

  constructor(dimensions: number) {
    this.#matrix = new ExactMatrix(dimensions);
  }

  get dimensions(): number {
    return this.#matrix.dimensions;
  }

  get faces(): number {
    return this.#matrix.rows;
  }

  get persons(): number {
    return this.#people.length;
  }

  /** Adds a row; false when it has a flaw that keeps it from being searched. */
  add(row: DatastoreRow): boolean {
    const { identity, embedding } = row;
    if (identity === null || embedding === null || rowFlaw(row, this.dimensions) !== null) return false;
    const face = this.faces;
    const norm = inspectVector(embedding, this.dimensions) as number;
    this.#matrix.add(embedding);
    this.#norms.push(norm);
    this.#largestNorm = Math.max(this.#largestNorm, norm);
    this.#persons.push(this.#personId(personOf(identity)!));
    this.#rows.push(row.row);
    this.#paths.push(identity);
    const image = this.#images.get(identity) ?? [];
    this.#images.set(identity, image);
    this.#faceNumbers.push(image.push(face));
    return true;
  }

  /** Searches at most {@link WIDE} probes in one pass. */
  search(probes: readonly ExactProbe[], criteria: ExactCriteria): ExactCandidate[][] {
    const dots = this.#matrix.dots(probes.map(({ values }) => values));
    return probes.map((probe, i) => this.#rank(probe, dots[i]!, criteria));
  }

  #personId(name: string): number {
    const known = this.#personIds.get(name);
    if (known !== undefined) return known;
    this.#personIds.set(name, this.#people.length);
    return this.#people.push(name) - 1;
  }

  /** The nearest persons. `scores` are the probe's dot products and are overwritten with nearness: larger is nearer. */
  #rank(probe: ExactProbe, scores: Float32Array, criteria: ExactCriteria): ExactCandidate[] {
    const norm = inspectVector(probe.values, this.dimensions) as number;
    const margin = this.#score(scores, norm, criteria.metric);
    for (const face of this.#images.get(probe.exclude ?? '') ?? []) scores[face] = -Infinity;
    const nearest = this.#nearestOfPersons(scores);
    const bound = nearest.length <= criteria.topK ? -Infinity : kthLargest(nearest, criteria.topK) - margin;
    const best = new Map<number, ExactCandidate>();
    for (let face = 0; face < scores.length; face++) {
      const person = this.#persons[face]!;
      const score = scores[face]!;
      if (score < bound || score < nearest[person]! - margin || score === -Infinity) continue;
      const candidate = this.#candidate(face, probe.values, norm, criteria.metric);
      const rival = best.get(person);
      if (candidate.distance <= criteria.threshold && (rival === undefined || candidate.distance < rival.distance))
        best.set(person, candidate);
    }
    return [...best.values()].sort((a, b) => a.distance - b.distance || a.row - b.row).slice(0, criteria.topK);
  }

  /**
   * Turns dot products into nearness: the cosine, or minus the squared euclidean distance.
   * Returns how far two scores may be apart and yet be in the wrong order.
   */
  #score(scores: Float32Array, probeNorm: number, metric: Metric): number {
    // Each of the four or more lanes adds dimensions/4 rounded products; see Higham, Accuracy and Stability, 3.1.
    const error = (this.dimensions / 4 + 16) * 2 ** -24;
    const norms = this.#norms;
    if (metric !== 'euclidean') {
      for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! / (probeNorm * norms[i]!);
      return 2 * error;
    }
    for (let i = 0; i < scores.length; i++) scores[i] = 2 * scores[i]! - norms[i]! ** 2 - probeNorm ** 2;
    return 4 * error * (probeNorm + this.#largestNorm) ** 2;
  }

  /** Per person the score of its nearest face. */
  #nearestOfPersons(scores: Float32Array): Float32Array {
    const nearest = new Float32Array(this.persons).fill(-Infinity);
    const persons = this.#persons;
    for (let face = 0; face < scores.length; face++) {
      const person = persons[face]!;
      if (scores[face]! > nearest[person]!) nearest[person] = scores[face]!;
    }
    return nearest;
  }

  #candidate(face: number, values: Float32Array, norm: number, metric: Metric): ExactCandidate {
    const distance = vectorDistance(metric, values, norm, this.#matrix.row(face), this.#norms[face]!);
    return {
      person: this.#people[this.#persons[face]!]!,
      distance,
      similarity: 1 - distance,
      imagePath: this.#paths[face]!,
      faceNumber: this.#faceNumbers[face]!,
      row: this.#rows[face]!,
    };
  }
}

/** The k-th largest of more than k values, 1 ≤ k. Keeps the k largest so far in a heap whose top is the smallest. */
function kthLargest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k).sort();
  for (let i = k; i < values.length; i++) {
    const value = values[i]!;
    if (value <= heap[0]!) continue;
    let at = 0;
    for (let child = 1; child < k; child = 2 * at + 1) {
      if (child + 1 < k && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= value) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = value;
  }
  return heap[0]!;
}
