import { vectorBytes, writeVector } from './vector-binary.js';

/** How a field of a row is sent; the column's type must be the one named. */
export type CopyType =
  | 'int2'
  | 'int4'
  | 'int8'
  | 'float4'
  | 'float8'
  | 'text'
  | 'bool'
  | 'bytea'
  | 'vector'
  | 'float4[]';
export type CopyValue = string | number | bigint | boolean | Uint8Array | Float32Array | null;

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const TRAILER = Buffer.from([0xff, 0xff]);
const FLOAT4_OID = 700;
const CHUNK = 64 * 1024;

const FIXED: Readonly<Partial<Record<CopyType, number>>> = { int2: 2, int4: 4, int8: 8, float4: 4, float8: 8, bool: 1 };

function sizeOf(type: CopyType, value: NonNullable<CopyValue>): number {
  const fixed = FIXED[type];
  if (fixed !== undefined) return fixed;
  switch (type) {
    case 'vector':
      return vectorBytes((value as Float32Array).length);
    case 'float4[]':
      return 20 + 8 * (value as Float32Array).length;
    case 'text':
      return Buffer.byteLength(value as string);
    default:
      return (value as Uint8Array).length;
  }
}

/** An array of one dimension (array_recv): dimensions, has-null, element type, length, lower bound, then the elements. */
function writeFloatArray(bytes: Buffer, start: number, values: Float32Array): number {
  let offset = start;
  for (const header of [1, 0, FLOAT4_OID, values.length, 1]) offset = bytes.writeInt32BE(header, offset);
  for (const value of values) offset = bytes.writeFloatBE(value, bytes.writeInt32BE(4, offset));
  return offset;
}

function writeValue(bytes: Buffer, offset: number, type: CopyType, value: NonNullable<CopyValue>): number {
  switch (type) {
    case 'int2':
      return bytes.writeInt16BE(value as number, offset);
    case 'int4':
      return bytes.writeInt32BE(value as number, offset);
    case 'int8':
      return bytes.writeBigInt64BE(BigInt(value as number | bigint), offset);
    case 'float4':
      return bytes.writeFloatBE(value as number, offset);
    case 'float8':
      return bytes.writeDoubleBE(value as number, offset);
    case 'bool':
      return bytes.writeUInt8(value ? 1 : 0, offset);
    case 'text':
      return offset + bytes.write(value as string, offset);
    case 'bytea':
      bytes.set(value as Uint8Array, offset);
      return offset + (value as Uint8Array).length;
    case 'vector':
      return writeVector(bytes, offset, value as Float32Array);
    case 'float4[]':
      return writeFloatArray(bytes, offset, value as Float32Array);
  }
}

/** One row in the binary COPY format: a field count, then per field its length (−1: null) and bytes. */
function encodeRow(types: readonly CopyType[], row: readonly CopyValue[]): Buffer {
  const sizes = types.map((type, index) => (row[index] == null ? 0 : sizeOf(type, row[index]!)));
  const bytes = Buffer.allocUnsafe(2 + sizes.reduce((sum, size) => sum + 4 + size, 0));
  let offset = bytes.writeInt16BE(types.length, 0);
  for (const [index, type] of types.entries()) {
    const value = row[index];
    offset = bytes.writeInt32BE(value == null ? -1 : sizes[index]!, offset);
    if (value != null) offset = writeValue(bytes, offset, type, value);
  }
  return bytes;
}

/**
 * A binary COPY stream of rows for {@link Queryable.copyIn}, in chunks of about 64 KiB. Never more than one batch and
 * one chunk in memory; what `rows` throws passes through.
 */
export async function* encodeCopy(
  types: readonly CopyType[],
  rows: AsyncIterable<readonly (readonly CopyValue[])[]> | Iterable<readonly (readonly CopyValue[])[]>,
): AsyncGenerator<Buffer, void, undefined> {
  let pending: Buffer[] = [SIGNATURE];
  let size = SIGNATURE.length;
  for await (const batch of rows) {
    for (const row of batch) {
      const bytes = encodeRow(types, row);
      pending.push(bytes);
      size += bytes.length;
      if (size < CHUNK) continue;
      yield Buffer.concat(pending, size);
      pending = [];
      size = 0;
    }
  }
  yield Buffer.concat([...pending, TRAILER]);
}
