// pgvector's binary format (vector_recv, vector_send): uint16 dimensions, uint16 0, float32 each, all big-endian.
const HEADER = 4;
const MAX_DIMENSIONS = 16_000;

/** A vector as pgvector reads it in binary. */
export function encodeVector(values: Float32Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER + 4 * values.length);
  writeVector(bytes, 0, values);
  return bytes;
}

/** Writes the same at an offset and answers the offset behind it. */
export function writeVector(bytes: Buffer, offset: number, values: Float32Array): number {
  if (values.length > MAX_DIMENSIONS) throw new RangeError(`a vector has at most ${MAX_DIMENSIONS} dimensions`);
  bytes.writeUInt16BE(values.length, offset);
  bytes.writeUInt16BE(0, offset + 2);
  const start = offset + HEADER;
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), start);
  // swap32 is several times faster than a writeFloatBE per element.
  bytes.subarray(start, start + values.byteLength).swap32();
  return start + values.byteLength;
}

/** Bytes that a vector of so many dimensions takes. */
export const vectorBytes = (dimensions: number): number => HEADER + 4 * dimensions;

/** Reads what {@link encodeVector} writes. */
export function decodeVector(bytes: Uint8Array): Float32Array {
  const dimensions = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  if (bytes.length < HEADER || bytes.length !== vectorBytes(dimensions))
    throw new RangeError('these bytes are not a vector');
  // A copy, because the source is shared and may be unaligned.
  const copy = Buffer.from(new ArrayBuffer(4 * dimensions));
  copy.set(bytes.subarray(HEADER));
  copy.swap32();
  return new Float32Array(copy.buffer, 0, dimensions);
}
