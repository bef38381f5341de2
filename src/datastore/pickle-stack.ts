import type { PickleInput } from './pickle-input.js';
import { Op } from './pickle-opcodes.js';
import { FloatRun, type PyList, type Value } from './pickle-value.js';

/** Numbers of the slab that vectors are cut from. */
const SLAB = 1 << 18;
/** Fewer consecutive floats than this stay numbers in double precision: a box, not a vector. */
const RUN = 8;
/** A BINFLOAT instruction: its opcode and eight bytes. */
const STEP = 9;

/** An unpickling's stack. Runs of floats, which are nearly all of a datastore's bytes, are one entry each. */
export class PickleStack {
  readonly values: Value[] = [];
  /** Heights at which MARK was pushed, lowest first. */
  readonly marks: number[] = [];
  readonly #input: PickleInput;
  readonly #slabLength: number;
  #slab = new Float32Array(0);
  #used = 0;

  /** With `ownMemory` each run has memory of its own; else runs share slabs of a megabyte. */
  constructor(input: PickleInput, ownMemory: boolean) {
    this.#input = input;
    this.#slabLength = ownMemory ? 0 : SLAB;
  }

  push(value: Value): void {
    this.values.push(value);
  }

  /** Takes the topmost value; a run of floats gives its last. */
  pop(): Value {
    const top = this.top();
    this.values.pop();
    return top;
  }

  /** The topmost value above the last mark. */
  top(): Value {
    const height = this.values.length;
    if (height <= (this.marks.at(-1) ?? 0)) throw this.#input.notPickle('the stack is empty');
    const top = this.values[height - 1]!;
    return top instanceof FloatRun ? this.#splitLast(top) : top;
  }

  mark(): void {
    this.marks.push(this.values.length);
  }

  /** Takes everything above the last mark, and the mark. Runs of floats stay runs. */
  popMarked(): Value[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw this.#input.notPickle('a mark is missing');
    return this.values.splice(mark);
  }

  /** As {@link popMarked}, every float a number of its own. */
  popMarkedNumbers(): Value[] {
    const values = this.popMarked();
    return values.some((value) => value instanceof FloatRun) ? values.flatMap(expanded) : values;
  }

  /** Reads the BINFLOAT at hand and those that follow it in the window. */
  readFloats(): void {
    const { input, first, count } = this.#measureRun();
    const view = input.view;
    const top = this.values.at(-1);
    const follows = top instanceof FloatRun && this.values.length > (this.marks.at(-1) ?? 0);
    if (count < RUN && !follows) {
      for (let i = 0; i < count; i++) this.values.push(view.getFloat64(first + i * STEP));
      return;
    }
    const start = this.#reserve(count);
    const slab = this.#slab;
    for (let i = 0, at = first; i < count; i++, at += STEP) slab[start + i] = view.getFloat64(at);
    if (follows && top.slab === slab && top.start + top.length === start) top.length += count;
    else this.values.push(new FloatRun(slab, start, count));
  }

  /** Appends what was above a mark to a list, runs as runs. */
  static fill(list: PyList, values: readonly Value[]): void {
    for (const value of values)
      if (value instanceof FloatRun) list.pushRun(value);
      else list.push(value);
  }

  /** How many BINFLOATs stand one after another in the window, the one at hand among them; goes past them. */
  #measureRun(): { input: PickleInput; first: number; count: number } {
    const input = this.#input;
    const { bytes, argument: first, end } = input;
    let next = input.position;
    while (next + STEP <= end && bytes[next] === Op.BINFLOAT) next += STEP;
    input.position = next;
    return { input, first, count: (next - first + 1) / STEP };
  }

  #reserve(count: number): number {
    if (this.#used + count > this.#slab.length) {
      this.#slab = new Float32Array(Math.max(this.#slabLength, count));
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += count;
    return start;
  }

  #splitLast(run: FloatRun): number {
    const last = run.slab[run.start + --run.length]!;
    if (run.length === 0) this.values[this.values.length - 1] = last;
    else this.values.push(last);
    return last;
  }
}

const expanded = (value: Value): readonly Value[] =>
  value instanceof FloatRun ? Array.from(value.slab.subarray(value.start, value.start + value.length)) : [value];
