import { assembleModule, spellKernel } from './exact-kernel.js';

type Run = (row: number, rowsEnd: number, stride: number, probes: number, out: number, outStride: number) => void;

const PAGE = 1 << 16;
/** Floats of one kernel step; rows are padded with zeros to a multiple of it. */
const STEP = 16;
/** Probes that the wide kernel takes at a time. */
export const WIDE = 6;
/** Bytes of the largest segment: WebAssembly addresses 4 GB, and results need room beside the rows. */
const SEGMENT_BYTES = 1 << 30;
/** Rows whose results are computed before they are copied out. */
const BLOCK_ROWS = 1 << 15;

// One probe: 16 floats a step hide the latency of the additions. Six probes: their sums alone do.
const module = new WebAssembly.Module(assembleModule([spellKernel(1, 4), spellKernel(WIDE, 1)]));

/**
 * Rows of float32 in WebAssembly memory. Each segment's memory starts with the results of a block, then the probes,
 * then the rows; it grows in place as rows are added.
 */
export class ExactMatrix {
  readonly dimensions: number;
  readonly #stride: number;
  readonly #segmentRows: number;
  readonly #segments: Segment[] = [];
  rows = 0;

  constructor(dimensions: number, segmentBytes = SEGMENT_BYTES) {
    this.dimensions = dimensions;
    this.#stride = Math.max(1, Math.ceil(dimensions / STEP)) * STEP * 4;
    this.#segmentRows = Math.max(1, Math.floor(segmentBytes / this.#stride));
  }

  /** Adds a row of `dimensions` floats; it is copied. */
  add(values: Float32Array): void {
    const last = this.#segments.at(-1);
    const segment = last !== undefined && last.rows < this.#segmentRows ? last : new Segment(this.#stride);
    if (segment !== last) this.#segments.push(segment);
    segment.add(values);
    this.rows++;
  }

  /** A view of a row, valid until the next {@link add}. */
  row(index: number): Float32Array {
    const segment = this.#segments[Math.floor(index / this.#segmentRows)]!;
    return segment.row(index % this.#segmentRows, this.dimensions);
  }

  /** The dot products of every row with each of at most {@link WIDE} probes: `rows` floats a probe. */
  dots(probes: readonly Float32Array[]): Float32Array[] {
    const out = probes.map(() => new Float32Array(this.rows));
    this.#segments.forEach((segment, i) => {
      segment.dots(probes, out, i * this.#segmentRows);
    });
    return out;
  }
}

class Segment {
  rows = 0;
  readonly #stride: number;
  readonly #memory: WebAssembly.Memory;
  readonly #single: Run;
  readonly #wide: Run;
  readonly #probes: number;
  readonly #firstRow: number;

  constructor(stride: number) {
    this.#stride = stride;
    this.#probes = BLOCK_ROWS * 4 * WIDE;
    this.#firstRow = this.#probes + WIDE * stride;
    this.#memory = new WebAssembly.Memory({ initial: Math.ceil(this.#firstRow / PAGE), maximum: PAGE });
    const { exports } = new WebAssembly.Instance(module, { matrix: { memory: this.#memory } });
    this.#single = exports.kernel0 as Run;
    this.#wide = exports.kernel1 as Run;
  }

  add(values: Float32Array): void {
    const at = this.#addressOf(this.rows);
    const missing = at + this.#stride - this.#memory.buffer.byteLength;
    // An eighth more at a time, so that a long load does not grow the memory row by row.
    if (missing > 0) this.#memory.grow(Math.ceil(Math.max(missing, this.#memory.buffer.byteLength / 8) / PAGE));
    new Float32Array(this.#memory.buffer, at, values.length).set(values);
    this.rows++;
  }

  row(index: number, dimensions: number): Float32Array {
    return new Float32Array(this.#memory.buffer, this.#addressOf(index), dimensions);
  }

  dots(probes: readonly Float32Array[], out: readonly Float32Array[], offset: number): void {
    const { buffer } = this.#memory;
    probes.forEach((probe, p) => {
      new Float32Array(buffer, this.#probes + p * this.#stride, probe.length).set(probe);
    });
    const run = probes.length === 1 ? this.#single : this.#wide;
    for (let from = 0; from < this.rows; from += BLOCK_ROWS) {
      const count = Math.min(BLOCK_ROWS, this.rows - from);
      run(this.#addressOf(from), this.#addressOf(from + count), this.#stride, this.#probes, 0, BLOCK_ROWS * 4);
      out.forEach((results, p) => {
        results.set(new Float32Array(buffer, p * BLOCK_ROWS * 4, count), offset + from);
      });
    }
  }

  #addressOf(row: number): number {
    return this.#firstRow + row * this.#stride;
  }
}
