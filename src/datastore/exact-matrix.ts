import { floatColumn } from './exact-column.js';
import { assembleKernel, KERNEL_STEP } from './exact-kernel.js';

type Dots = (row: number, rowsEnd: number, stride: number, probe: number, out: number) => void;

const PAGE = 1 << 16;
/** Bytes of the largest segment: WebAssembly addresses 4 GB. */
const SEGMENT_BYTES = 1 << 30;
/** Rows whose results are computed before they are copied out. */
const BLOCK_ROWS = 1 << 15;
/** Rows of full precision that are allocated at a time. */
const CHUNK_ROWS = 1 << 10;
/** Largest absolute value of a row's 8-bit numbers. */
const ROW_RANGE = 127;

const kernel = new WebAssembly.Module(assembleKernel());

/** Estimated dot products of a probe with every row, each with the most that it can be wrong by. */
export interface Estimates {
  readonly products: Float64Array;
  readonly errors: Float64Array;
}

/**
 * Rows of float32, and of each a copy in 8-bit integers that is a quarter as large and several times as fast to go
 * through. Rounding x to x̂ moves a dot product with q by at most ‖q‖·‖x − x̂‖ (Cauchy–Schwarz), and that norm is known
 * from when the row was added: so the estimate comes with a bound, and whoever needs the truth looks at few rows.
 */
export class ExactMatrix {
  readonly dimensions: number;
  readonly #stride: number;
  readonly #segmentRows: number;
  readonly #segments: Segment[] = [];
  readonly #chunks: Float32Array[] = [];
  /** Where the last estimates are. */
  #results: (Estimates & { readonly sums: Int32Array }) | null = null;
  /** Per row: what one unit of its integers stands for, its norm, and the norm of what rounding took away. */
  readonly #units = floatColumn();
  readonly #norms = floatColumn();
  readonly #residues = floatColumn();

  constructor(dimensions: number, segmentBytes = SEGMENT_BYTES) {
    this.dimensions = dimensions;
    this.#stride = Math.max(1, Math.ceil(dimensions / KERNEL_STEP)) * KERNEL_STEP;
    this.#segmentRows = Math.max(1, Math.floor(segmentBytes / this.#stride));
  }

  get rows(): number {
    return this.#norms.length;
  }

  /** Adds a row of `dimensions` finite floats, not all of them zero, with its norm; it is copied. */
  add(values: Float32Array, norm: number): void {
    const slot = this.rows % CHUNK_ROWS;
    if (slot === 0) this.#chunks.push(new Float32Array(CHUNK_ROWS * this.dimensions));
    this.#chunks.at(-1)!.set(values, slot * this.dimensions);
    if (this.rows % this.#segmentRows === 0) this.#segments.push(new Segment(this.#stride));
    const { unit, residue } = quantize(values, ROW_RANGE, this.#segments.at(-1)!.newRow());
    this.#units.push(unit);
    this.#residues.push(residue);
    this.#norms.push(norm);
  }

  /** A view of a row in full precision. */
  row(index: number): Float32Array {
    const from = (index % CHUNK_ROWS) * this.dimensions;
    return this.#chunks[Math.floor(index / CHUNK_ROWS)]!.subarray(from, from + this.dimensions);
  }

  /** The norms of the rows, by their index. */
  get norms(): Float64Array {
    return this.#norms.values;
  }

  /** Estimates the dot product of every row with a probe of the given norm. The next estimate takes the same memory. */
  estimate(probe: Float32Array, norm: number): Estimates {
    // So small that the sum of all products stays below 2³¹.
    const range = Math.min(32_767, Math.floor((2 ** 31 - 1) / (ROW_RANGE * this.dimensions)));
    const codes = new Int16Array(this.#stride);
    const { unit, residue } = quantize(probe, range, codes);
    const { sums, products, errors } = this.#roomForResults();
    this.#segments.forEach((segment, i) => {
      segment.dots(codes, sums, i * this.#segmentRows);
    });
    const [units, norms, residues] = [this.#units.values, this.#norms.values, this.#residues.values];
    for (let i = 0; i < sums.length; i++) {
      products[i] = sums[i]! * unit * units[i]!;
      errors[i] = norm * residues[i]! + residue * (norms[i]! + residues[i]!);
    }
    return { products, errors };
  }

  /** Fresh arrays of this size for every probe would cost as much as the pass itself. */
  #roomForResults(): Estimates & { readonly sums: Int32Array } {
    if (this.#results?.sums.length !== this.rows)
      this.#results = {
        sums: new Int32Array(this.rows),
        products: new Float64Array(this.rows),
        errors: new Float64Array(this.rows),
      };
    return this.#results;
  }
}

/** Rounds values to integers of at most `range`, and returns their unit and the norm of the difference. */
function quantize(
  values: Float32Array,
  range: number,
  codes: Int8Array | Int16Array,
): { unit: number; residue: number } {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  const unit = largest / range;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const code = Math.round(value / unit);
    codes[i] = code;
    squares += (value - code * unit) ** 2;
  }
  return { unit, residue: Math.sqrt(squares) };
}

/** Rows of 8-bit integers in WebAssembly memory: results of a block, then the probe, then the rows. Grows in place. */
class Segment {
  #rows = 0;
  readonly #stride: number;
  readonly #memory: WebAssembly.Memory;
  readonly #dots: Dots;
  readonly #probe = BLOCK_ROWS * 4;
  readonly #firstRow: number;

  constructor(stride: number) {
    this.#stride = stride;
    this.#firstRow = this.#probe + 2 * stride;
    this.#memory = new WebAssembly.Memory({ initial: Math.ceil(this.#firstRow / PAGE), maximum: PAGE });
    this.#dots = new WebAssembly.Instance(kernel, { matrix: { memory: this.#memory } }).exports.dots as Dots;
  }

  /** Room for one more row, all zeros. */
  newRow(): Int8Array {
    const at = this.#addressOf(this.#rows++);
    const { byteLength } = this.#memory.buffer;
    const missing = at + this.#stride - byteLength;
    // An eighth more at a time, so that a long load does not grow the memory row by row.
    if (missing > 0) this.#memory.grow(Math.ceil(Math.max(missing, byteLength / 8) / PAGE));
    return new Int8Array(this.#memory.buffer, at, this.#stride);
  }

  /** Writes the sum of products of each row with the probe into `out` from `offset`. */
  dots(probe: Int16Array, out: Int32Array, offset: number): void {
    const { buffer } = this.#memory;
    new Int16Array(buffer, this.#probe, probe.length).set(probe);
    for (let from = 0; from < this.#rows; from += BLOCK_ROWS) {
      const count = Math.min(BLOCK_ROWS, this.#rows - from);
      this.#dots(this.#addressOf(from), this.#addressOf(from + count), this.#stride, this.#probe, 0);
      out.set(new Int32Array(buffer, 0, count), offset + from);
    }
  }

  #addressOf(row: number): number {
    return this.#firstRow + row * this.#stride;
  }
}
