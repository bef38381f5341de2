/**
 * Seeded galleries whose distances are like those of a real ArcFace gallery. A person is a direction; each of its
 * faces is that direction turned away by noise. Directions and noise are drawn with a decaying spectrum, because real
 * embeddings do not fill their space evenly: 512 dimensions behave like about 250.
 *
 * Cosine distances that come out (bench/gallery-distances prints them): two faces of one person 0.35 ± 0.08, an outlier
 * face (profile, blur, years between; one in twenty) and another of its person 0.60 ± 0.07, two persons 1.00 ± 0.07.
 */
export interface GalleryShape {
  readonly faces: number;
  readonly persons: number;
  readonly dimensions?: number;
  readonly seed?: number;
  /** Share of outlier faces. */
  readonly outliers?: number;
}

export interface GeneratedFace {
  readonly person: number;
  readonly outlier: boolean;
  readonly values: Float32Array;
}

/** How far a probe is from its person: like most faces, like an outlier, or nobody's. */
export type ProbeKind = 'clustered' | 'outlier' | 'stranger';

export class GalleryGenerator {
  readonly #shape: Required<GalleryShape>;
  readonly #scale: Float32Array;
  #state: number;
  #spare: number | undefined;

  constructor(shape: GalleryShape) {
    this.#shape = { dimensions: 512, seed: 1, outliers: 0.05, ...shape };
    const { dimensions, seed } = this.#shape;
    this.#scale = Float32Array.from({ length: dimensions }, (_, index) => Math.exp(-index / (0.5 * dimensions)));
    this.#state = seed >>> 0;
  }

  /** The gallery's faces in order; a person's direction is drawn anew from its number, so that nothing is kept. */
  *faces(): Generator<GeneratedFace, void, undefined> {
    const { faces, persons, outliers } = this.#shape;
    for (let index = 0; index < faces; index++) {
      // Everybody has a face; the rest go to persons unevenly, as photos do.
      const person = index < persons ? index : Math.floor(this.#uniform() * this.#uniform() * persons);
      const outlier = this.#uniform() < outliers;
      yield { person, outlier, values: this.face(person, outlier) };
    }
  }

  face(person: number, outlier: boolean): Float32Array {
    const cosine = outlier ? 0.45 + 0.15 * this.#uniform() : 0.72 + 0.2 * this.#uniform();
    return this.#turned(this.#direction(person), cosine);
  }

  probe(kind: ProbeKind): Float32Array {
    const person = Math.floor(this.#uniform() * this.#shape.persons);
    switch (kind) {
      case 'clustered':
        return this.face(person, false);
      case 'outlier':
        return this.face(person, true);
      case 'stranger':
        return this.#random();
    }
  }

  #direction(person: number): Float32Array {
    const state = this.#state;
    const spare = this.#spare;
    this.#state = Math.imul(person + 1, 0x9e3779b1) ^ Math.imul(this.#shape.seed, 0x85ebca6b);
    this.#spare = undefined;
    const direction = this.#random();
    this.#state = state;
    this.#spare = spare;
    return direction;
  }

  #turned(direction: Float32Array, cosine: number): Float32Array {
    const noise = this.#random();
    const sine = Math.sqrt(1 - cosine * cosine);
    // ArcFace's vectors are not normalised: their lengths vary.
    const length = 18 + 4 * this.#uniform();
    return direction.map((value, index) => length * (cosine * value + sine * noise[index]!));
  }

  /** A direction drawn with the decaying spectrum, of length 1. */
  #random(): Float32Array {
    const values = new Float32Array(this.#shape.dimensions);
    let squares = 0;
    for (let index = 0; index < values.length; index++) {
      const value = this.#normal() * this.#scale[index]!;
      values[index] = value;
      squares += value * value;
    }
    const norm = Math.sqrt(squares);
    for (let index = 0; index < values.length; index++) values[index] = values[index]! / norm;
    return values;
  }

  #uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** Marsaglia's polar method: two normal numbers a time. */
  #normal(): number {
    const spare = this.#spare;
    if (spare !== undefined) {
      this.#spare = undefined;
      return spare;
    }
    for (;;) {
      const x = 2 * this.#uniform() - 1;
      const y = 2 * this.#uniform() - 1;
      const squares = x * x + y * y;
      if (squares >= 1 || squares === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(squares)) / squares);
      this.#spare = y * factor;
      return x * factor;
    }
  }
}
