import { PyArray, PyBytes, PyDtype, PyList, PyOpaque, PyTuple, type Value } from './pickle-value.js';

/** Reads one number at a byte offset. */
type Reader = (view: DataView, at: number, littleEndian: boolean) => number;

const READERS: Readonly<Record<string, readonly [bytes: number, read: Reader]>> = {
  f2: [2, (view, at, little) => halfFloat(view.getUint16(at, little))],
  f4: [4, (view, at, little) => view.getFloat32(at, little)],
  f8: [8, (view, at, little) => view.getFloat64(at, little)],
  i1: [1, (view, at) => view.getInt8(at)],
  i2: [2, (view, at, little) => view.getInt16(at, little)],
  i4: [4, (view, at, little) => view.getInt32(at, little)],
  i8: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  u1: [1, (view, at) => view.getUint8(at)],
  u2: [2, (view, at, little) => view.getUint16(at, little)],
  u4: [4, (view, at, little) => view.getUint32(at, little)],
  u8: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
  b1: [1, (view, at) => view.getUint8(at)],
};

/** IEEE 754 binary16. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** `numpy.dtype('f4', False, True)`. */
export function makeDtype(args: readonly Value[]): PyDtype | PyOpaque {
  const [code] = args;
  if (typeof code !== 'string') return new PyOpaque('a structured dtype');
  const dtype = new PyDtype(code.replace(/^[<>|=]/, ''));
  dtype.littleEndian = !code.startsWith('>');
  return dtype;
}

/** `(version, byte order, …)` of `dtype.__setstate__`. False when it is not such a state. */
export function setDtypeState(dtype: PyDtype, state: Value): boolean {
  if (!(state instanceof PyTuple) || state.items.length < 2) return false;
  const order = state.items[1];
  if (order !== '<' && order !== '>' && order !== '|' && order !== '=') return false;
  dtype.littleEndian = order !== '>';
  return true;
}

/** `(version, shape, dtype, fortran order, data)` of `ndarray.__setstate__`. False when it is not such a state. */
export function setArrayState(array: PyArray, state: Value): boolean {
  if (!(state instanceof PyTuple)) return false;
  const items = state.items.length === 5 ? state.items.slice(1) : state.items;
  const [shape, dtype, , data] = items;
  if (items.length !== 4 || !(shape instanceof PyTuple)) return false;
  if (dtype instanceof PyOpaque || data instanceof PyList) return true; // objects or records: not a vector
  if (!(dtype instanceof PyDtype) || !(data instanceof PyBytes)) return false;
  array.values = decodeVector(data.data, dtype, shape);
  return true;
}

/** `_frombuffer(data, dtype, shape, order)` of protocol 5; null when the arguments are not such. */
export function arrayFromBuffer(args: readonly Value[]): PyArray | null {
  const [data, dtype, shape] = args;
  if (!(data instanceof PyBytes) || !(shape instanceof PyTuple)) return null;
  const array = new PyArray();
  if (dtype instanceof PyOpaque) return array;
  if (!(dtype instanceof PyDtype)) return null;
  array.values = decodeVector(data.data, dtype, shape);
  return array;
}

/** `scalar(dtype, data)`: the number, or null when the arguments are not such. */
export function makeScalar(args: readonly Value[]): number | PyOpaque | null {
  const [dtype, data] = args;
  if (dtype instanceof PyOpaque) return dtype;
  if (!(dtype instanceof PyDtype)) return null;
  const reader = READERS[dtype.code];
  if (reader === undefined) return new PyOpaque(`a numpy ${dtype.code.slice(0, 20)}`);
  const [width, read] = reader;
  if (!(data instanceof PyBytes) || data.data.length !== width) return null;
  return read(viewOf(data.data), 0, dtype.littleEndian);
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The numbers of an array of which one axis at most is longer than 1; null for any other. */
function decodeVector(data: Uint8Array, dtype: PyDtype, shape: PyTuple): Float32Array | null {
  const reader = READERS[dtype.code];
  if (reader === undefined || shape.items.some((axis) => typeof axis !== 'number')) return null;
  const axes = (shape.items as readonly number[]).filter((axis) => axis !== 1);
  const count = axes[0] ?? 1;
  const [width, read] = reader;
  if (axes.length > 1 || shape.items.length === 0 || data.length !== count * width) return null;
  const view = viewOf(data);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = read(view, i * width, dtype.littleEndian);
  return values;
}
