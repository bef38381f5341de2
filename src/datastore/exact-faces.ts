import { vectorDistance } from '../embedding/distance.js';
import { inspectVector } from '../embedding/embedding.js';
import type { Metric } from '../embedding/space.js';
import { integerColumn } from './exact-column.js';
import type { ExactCandidate } from './exact-index.js';
import { ExactMatrix } from './exact-matrix.js';
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
 * The faces of a datastore in memory, searched exactly: estimates of every distance, each with its bound, then the
 * distance in double precision of every face that could, by these bounds, be the nearest of one of the nearest persons.
 */
export class ExactFaces {
  readonly #matrix: ExactMatrix;
  readonly #people: string[] = [];
  readonly #personIds = new Map<string, number>();
  /** Per face: person, row in the datastore, path, number within its image. */
  readonly #persons = integerColumn();
  readonly #rows = integerColumn();
  readonly #paths: string[] = [];
  readonly #faceNumbers = integerColumn();
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
    this.#matrix.add(embedding, norm);
    this.#persons.push(this.#personId(personOf(identity)!));
    this.#rows.push(row.row);
    this.#paths.push(identity);
    const image = this.#images.get(identity) ?? [];
    this.#images.set(identity, image);
    this.#faceNumbers.push(image.push(face));
    return true;
  }

  /** The nearest persons, each with its nearest face, nearest first; the first row wins a tie. */
  search({ values, exclude }: ExactProbe, { metric, threshold, topK }: ExactCriteria): ExactCandidate[] {
    const norm = inspectVector(values, this.dimensions) as number;
    const persons = this.#persons.values;
    const best = new Map<number, ExactCandidate>();
    for (const face of this.#contenders(values, norm, exclude, metric, topK)) {
      const candidate = this.#candidate(face, values, norm, metric);
      const rival = best.get(persons[face]!);
      if (candidate.distance <= threshold && (rival === undefined || candidate.distance < rival.distance))
        best.set(persons[face]!, candidate);
    }
    return [...best.values()].sort((a, b) => a.distance - b.distance || a.row - b.row).slice(0, topK);
  }

  #personId(name: string): number {
    const known = this.#personIds.get(name);
    if (known !== undefined) return known;
    this.#personIds.set(name, this.#people.length);
    return this.#people.push(name) - 1;
  }

  /**
   * The faces that may be the nearest of one of the k nearest persons. Every face has a nearness between `low` and
   * `high`; a person is at least as near as its best `low`, so a face whose `high` stays below that of its own person, or
   * below that of k persons, is out.
   */
  #contenders(values: Float32Array, norm: number, exclude: string | undefined, metric: Metric, topK: number): number[] {
    const { low, high } = this.#nearness(values, norm, metric);
    for (const face of this.#images.get(exclude ?? '') ?? []) low[face] = high[face] = -Infinity;
    const persons = this.#persons.values;
    const nearest = new Float64Array(this.persons).fill(-Infinity);
    for (let face = 0; face < low.length; face++) {
      const person = persons[face]!;
      if (low[face]! > nearest[person]!) nearest[person] = low[face]!;
    }
    const bound = nearest.length <= topK ? -Infinity : kthLargest(nearest, topK);
    const contenders: number[] = [];
    for (let face = 0; face < high.length; face++) {
      const most = high[face]!;
      if (most >= bound && most >= nearest[persons[face]!]! && most > -Infinity) contenders.push(face);
    }
    return contenders;
  }

  /** Bounds of each face's nearness: its cosine, or what is left of the squared distance when the probe's part is dropped. */
  #nearness(values: Float32Array, norm: number, metric: Metric): { low: Float64Array; high: Float64Array } {
    const { products: low, errors: high } = this.#matrix.estimate(values, norm);
    const { norms } = this.#matrix;
    const euclidean = metric === 'euclidean';
    for (let face = 0; face < low.length; face++) {
      const faceNorm = norms[face]!;
      const scale = euclidean ? 2 : 1 / (norm * faceNorm);
      const product = low[face]! * scale;
      const offset = euclidean ? faceNorm * faceNorm : 0;
      // What double precision rounds away on the way here is far below one part in 10¹².
      const margin = high[face]! * scale + 1e-12 * (Math.abs(product) + offset + 1);
      const middle = product - offset;
      low[face] = middle - margin;
      high[face] = middle + margin;
    }
    return { low, high };
  }

  #candidate(face: number, values: Float32Array, norm: number, metric: Metric): ExactCandidate {
    const distance = vectorDistance(metric, values, norm, this.#matrix.row(face), this.#matrix.norms[face]!);
    return {
      person: this.#people[this.#persons.values[face]!]!,
      distance,
      similarity: 1 - distance,
      imagePath: this.#paths[face]!,
      faceNumber: this.#faceNumbers.values[face]!,
      row: this.#rows.values[face]!,
    };
  }
}

/** The k-th largest of more than k values, 1 ≤ k. Keeps the k largest so far in a heap whose top is the smallest. */
function kthLargest(values: Float64Array, k: number): number {
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
