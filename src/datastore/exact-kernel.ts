/**
 * Dot products of every row of a matrix with a few probes, in WebAssembly SIMD: the one hot loop of exact search.
 * The module is assembled here from the instructions that the functions below spell. Measured shapes: one row at a time,
 * because two rows of 512 floats lie 2 KB apart and evict each other from the first-level cache.
 * Opcodes: https://webassembly.github.io/spec/core/binary/instructions.html
 */

type Code = readonly number[];

/** A function's local variables and instructions, in binary. */
export interface Kernel {
  readonly locals: Code;
  readonly code: Code;
}

/** LEB128 of a non-negative number, unsigned or signed. */
const unsigned = (n: number): number[] => (n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...unsigned(n >>> 7)]);
const signed = (n: number): number[] => (n < 0x40 ? [n] : [(n & 0x7f) | 0x80, ...signed(n >>> 7)]);

const I32 = 0x7f;
const V128 = 0x7b;
const END = 0x0b;
const get = (local: number): number[] => [0x20, ...unsigned(local)];
const set = (local: number): number[] => [0x21, ...unsigned(local)];
const constant = (value: number): number[] => [0x41, ...signed(value)];
const add: Code = [0x6a];
const addFloat: Code = [0x92];
const storeFloat: Code = [0x38, 2, 0];
const simd = (op: number, ...rest: Code): number[] => [0xfd, ...unsigned(op), ...rest];
const loadVector = (offset: number): number[] => simd(0, 2, ...unsigned(offset));
const zeroVector: Code = simd(12, ...Array.from({ length: 16 }, () => 0));
const addVectors: Code = simd(228);
const multiplyVectors: Code = simd(230);
const lane = (index: number): number[] => simd(31, index);

const list = (count: number, make: (i: number) => Code): number[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat();
const increase = (local: number, by: Code): number[] => [...get(local), ...by, ...add, ...set(local)];

/** `do { body } while (address < end)` */
const repeat = (body: Code, address: number, end: number): number[] => {
  const again: Code = [...get(address), ...get(end), 0x49, 0x0d, 0]; // i32.lt_u, br_if 0
  return [0x03, 0x40, ...body, ...again, END]; // loop
};

// The parameters of a kernel, all addresses or byte counts, and its first locals.
const ROW = 0; // the row at hand, at first the first one
const ROWS_END = 1;
const STRIDE = 2; // bytes from row to row and from probe to probe: a multiple of a step
const PROBES = 3;
const OUT = 4; // the result at hand, at first that of the first row
const OUT_STRIDE = 5; // bytes from one probe's results to the next one's
const ROW_END = 6;
const RESULT = 7;
const PROBE = 8; // the address within each probe

/**
 * Spells a kernel that takes `probes` probes at a time and `unroll` × 4 floats a step; all sums stay in registers.
 * For every row r and probe p it stores the sum of their products at OUT + 4·r + OUT_STRIDE·p.
 */
export function spellKernel(probes: number, unroll: number): Kernel {
  const sums = PROBE + probes;
  const sum = (p: number, k: number): number => sums + p * unroll + k;
  const part = sums + probes * unroll;
  const step = constant(unroll * 16);

  const products = (k: number): number[] => [
    ...[...get(ROW), ...loadVector(k * 16), ...set(part)],
    ...list(probes, (p) => {
      const factors = [...get(part), ...get(PROBE + p), ...loadVector(k * 16)];
      return [...get(sum(p, k)), ...factors, ...multiplyVectors, ...addVectors, ...set(sum(p, k))];
    }),
  ];
  const store = (p: number): number[] => [
    ...[...get(sum(p, 0)), ...list(unroll - 1, (k) => [...get(sum(p, k + 1)), ...addVectors]), ...set(part)],
    ...[...get(RESULT), ...get(part), ...lane(0)],
    ...list(3, (i) => [...get(part), ...lane(i + 1), ...addFloat]),
    ...storeFloat,
    ...increase(RESULT, get(OUT_STRIDE)),
  ];
  const stepOver = [
    ...list(unroll, products),
    ...list(probes, (p) => increase(PROBE + p, step)),
    ...increase(ROW, step),
  ];
  const rowByRow = [
    ...[...get(ROW), ...get(STRIDE), ...add, ...set(ROW_END)],
    ...list(probes, (p) => [...get(PROBES), ...list(p, () => [...get(STRIDE), ...add]), ...set(PROBE + p)]),
    ...list(probes * unroll, (i) => [...zeroVector, ...set(sums + i)]),
    ...repeat(stepOver, ROW, ROW_END),
    ...[...get(OUT), ...set(RESULT)],
    ...list(probes, store),
    ...increase(OUT, constant(4)),
  ];
  return {
    locals: [2, ...unsigned(2 + probes), I32, ...unsigned(probes * unroll + 1), V128],
    code: [...repeat(rowByRow, ROW, ROWS_END), END],
  };
}

/** Binary module that imports the memory `matrix.memory` and exports the kernels as `kernel0`, `kernel1` … */
export function assembleModule(kernels: readonly Kernel[]): Uint8Array<ArrayBuffer> {
  const count = unsigned(kernels.length);
  const section = (id: number, ...content: Code): number[] => [id, ...unsigned(content.length), ...content];
  const name = (text: string): number[] => [...unsigned(text.length), ...Buffer.from(text)];
  const sized = ({ locals, code }: Kernel): number[] => [...unsigned(locals.length + code.length), ...locals, ...code];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 6, I32, I32, I32, I32, I32, I32, 0), // one type: six integers, no result
    ...section(2, 1, ...name('matrix'), ...name('memory'), 2, 0, 1), // memory of a page or more
    ...section(3, ...count, ...kernels.map(() => 0)),
    ...section(7, ...count, ...list(kernels.length, (i) => [...name(`kernel${i}`), 0, ...unsigned(i)])),
    ...section(10, ...count, ...kernels.flatMap(sized)),
  ]);
}
