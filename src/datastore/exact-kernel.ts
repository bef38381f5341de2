/**
 * Dot products of every row of a matrix of 8-bit integers with a probe of 16-bit integers, in WebAssembly SIMD: the one
 * hot loop of exact search. The module is assembled here from the instructions that the functions below spell.
 * Opcodes: https://webassembly.github.io/spec/core/binary/instructions.html
 */

type Code = readonly number[];

/** Bytes of a row that one step of the kernel takes; a row's length is a multiple of it. */
export const KERNEL_STEP = 32;
/** Numbers of one SIMD load of a row. */
const LOAD = 16;

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
const store: Code = [0x36, 2, 0];
const simd = (op: number, ...rest: Code): number[] => [0xfd, ...unsigned(op), ...rest];
const load = (offset: number): number[] => simd(0, 0, ...unsigned(offset)); // v128.load
const zeros: Code = simd(12, ...Array.from({ length: 16 }, () => 0)); // v128.const
const lane = (index: number): number[] => simd(27, index); // i32x4.extract_lane
const low: Code = simd(135); // i16x8.extend_low_i8x16_s
const high: Code = simd(136); // i16x8.extend_high_i8x16_s
const addLanes: Code = simd(174); // i32x4.add
const multiplyPairs: Code = simd(186); // i32x4.dot_i16x8_s
const list = (count: number, make: (i: number) => Code): number[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat();

/** `do { body } while (address < end)` */
const repeat = (body: Code, address: number, end: number): number[] => {
  const again: Code = [...get(address), ...get(end), 0x49, 0x0d, 0]; // i32.lt_u, br_if 0
  return [0x03, 0x40, ...body, ...again, END]; // loop
};

// Parameters: addresses, and the bytes of a row.
const ROW = 0; // the place at hand, at first the first row
const ROWS_END = 1;
const STRIDE = 2;
const PROBE = 3;
const OUT = 4; // the result at hand, an i32 for each row
// Locals: two addresses, then SIMD registers.
const ROW_END = 5;
const FACTOR = 6; // the place in the probe
const SUM = 7; // two sums per load, so that one addition need not wait for the other
const SUMS = 2 * (KERNEL_STEP / LOAD);
const PART = SUM + SUMS;

const increase = (local: number, by: Code): number[] => [...get(local), ...by, ...add, ...set(local)];

/** Adds the products of eight numbers of the row with eight of the probe to a sum. */
const addProducts = (sum: number, half: Code, probeOffset: number): number[] => [
  ...[...get(sum), ...get(PART), ...half],
  ...[...get(FACTOR), ...load(probeOffset), ...multiplyPairs],
  ...[...addLanes, ...set(sum)],
];

/** KERNEL_STEP numbers of the row at hand; the probe's take twice the room. */
const step: Code = [
  ...list(KERNEL_STEP / LOAD, (k) => [
    ...[...get(ROW), ...load(k * LOAD), ...set(PART)],
    ...addProducts(SUM + 2 * k, low, k * 2 * LOAD),
    ...addProducts(SUM + 2 * k + 1, high, k * 2 * LOAD + LOAD),
  ]),
  ...increase(ROW, constant(KERNEL_STEP)),
  ...increase(FACTOR, constant(2 * KERNEL_STEP)),
];

const rowByRow: Code = [
  ...[...get(ROW), ...get(STRIDE), ...add, ...set(ROW_END)],
  ...[...get(PROBE), ...set(FACTOR)],
  ...list(SUMS, (i) => [...zeros, ...set(SUM + i)]),
  ...repeat(step, ROW, ROW_END),
  ...[...get(SUM), ...list(SUMS - 1, (i) => [...get(SUM + i + 1), ...addLanes]), ...set(PART)],
  ...[...get(OUT), ...get(PART), ...lane(0), ...list(3, (i) => [...get(PART), ...lane(i + 1), ...add]), ...store],
  ...increase(OUT, constant(4)),
];

/** The binary module: imports `matrix.memory`, exports `dots(row, rowsEnd, stride, probe, out)`. */
export function assembleKernel(): Uint8Array<ArrayBuffer> {
  const section = (id: number, ...content: Code): number[] => [id, ...unsigned(content.length), ...content];
  const name = (text: string): number[] => [...unsigned(text.length), ...Buffer.from(text)];
  const locals = [2, 2, I32, SUMS + 1, V128];
  const body = [...locals, ...repeat(rowByRow, ROW, ROWS_END), END];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 5, I32, I32, I32, I32, I32, 0), // one type: five integers, no result
    ...section(2, 1, ...name('matrix'), ...name('memory'), 2, 0, 1), // memory of a page or more
    ...section(3, 1, 0),
    ...section(7, 1, ...name('dots'), 0, 0),
    ...section(10, 1, ...unsigned(body.length), ...body),
  ]);
}
