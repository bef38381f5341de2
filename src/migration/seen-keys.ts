/**
 * A map from keys to numbers that keeps 16 bytes a key instead of the key: a migration of millions of rows asks of
 * each "was this image here before?" and must not hold millions of paths. Keys are told apart by a 96-bit hash;
 * two of 10⁷ keys collide with a probability of 6·10⁻¹⁶.
 */

/** A 96-bit hash of a key that is taken in pieces: text, numbers, vectors. Written for speed: it sees every float. */
export class KeyHash {
  #a = 0;
  #b = 0;
  #c = 0;

  reset(): this {
    this.#a = 0x1e3779b9;
    this.#b = 0x05ebca6b;
    this.#c = 0x42b2ae35;
    return this;
  }

  number(value: number): this {
    this.#a = Math.imul(this.#a ^ value, 0x01000193) ^ (this.#a >>> 15);
    this.#b = Math.imul(this.#b ^ value, 0x4c9e2d51) ^ (this.#b >>> 13);
    this.#c = Math.imul(this.#c ^ value, 0x1b873593) ^ (this.#c >>> 16);
    return this;
  }

  text(value: string): this {
    let a = this.#a;
    let b = this.#b;
    let c = this.#c;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193) ^ (a >>> 15);
      b = Math.imul(b ^ code, 0x4c9e2d51) ^ (b >>> 13);
      c = Math.imul(c ^ code, 0x1b873593) ^ (c >>> 16);
    }
    this.#a = a;
    this.#b = b;
    this.#c = c;
    return this.number(value.length);
  }

  /** The hash, in three words. */
  get a(): number {
    return this.#a >>> 0;
  }

  get b(): number {
    return this.#b >>> 0;
  }

  get c(): number {
    return this.#c >>> 0;
  }
}

/** What one pass over a vector tells: both sums are needed of every row, and memory is read once. */
export interface VectorSums {
  /** Σ value²: not finite when a value is not, 0 when all are. */
  squares: number;
  /** A Fletcher sum of the values' bits, 64 bits in two. */
  sum: number;
  sums: number;
}

export function sumVector(values: Float32Array, into: VectorSums): VectorSums {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let squares = 0;
  let sum = 0;
  let sums = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    squares += value * value;
    sum = (sum + bits[i]!) | 0;
    sums = (sums + sum) | 0;
  }
  into.squares = squares;
  into.sum = sum;
  into.sums = sums;
  return into;
}

/** Share of the slots that may be taken. */
const FULL = 0.75;

export class SeenKeys {
  /** Four words a slot: the hash, then a number that is not 0 (0 is an empty slot). */
  #slots: Uint32Array;
  #size = 0;

  /** Room for so many keys from the start: growing needs the old slots and the new ones at once. */
  constructor(keys = 0) {
    this.#slots = new Uint32Array(4 * Math.max(8192, Math.ceil((keys * 1.02) / FULL)));
  }

  /** The number first kept under a key; null when this is the first, and then `value` (0 … 2³²−2) is kept. */
  first(key: KeyHash, value: number): number | null {
    const at = this.#slot(key);
    const before = this.#slots[at + 3]!;
    if (before === 0) this.#fill(at, key, value + 1);
    return before === 0 ? null : before - 1;
  }

  /** How often a key was counted, this time included. */
  count(key: KeyHash): number {
    const at = this.#slot(key);
    const times = this.#slots[at + 3]! + 1;
    this.#fill(at, key, times);
    return times;
  }

  #slot({ a, b, c }: KeyHash): number {
    if ((this.#size + 1) * 4 > this.#slots.length * FULL) this.#grow();
    return this.#find(this.#slots, a, b, c);
  }

  #fill(at: number, { a, b, c }: KeyHash, value: number): void {
    const slots = this.#slots;
    if (slots[at + 3] === 0) this.#size++;
    slots[at] = a;
    slots[at + 1] = b;
    slots[at + 2] = c;
    slots[at + 3] = value;
  }

  #find(slots: Uint32Array, a: number, b: number, c: number): number {
    const count = slots.length / 4;
    let slot = Math.floor((((a ^ (b >>> 7)) >>> 0) / 2 ** 32) * count);
    for (;;) {
      const at = slot * 4;
      if (slots[at + 3] === 0 || (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c)) return at;
      slot = slot + 1 === count ? 0 : slot + 1;
    }
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 4)
      if (old[at + 3] !== 0)
        this.#slots.set(old.subarray(at, at + 4), this.#find(this.#slots, old[at]!, old[at + 1]!, old[at + 2]!));
  }
}
