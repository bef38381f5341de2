import type { CopyRow } from './database.js';

const SIGNATURE_LENGTH = 11;
const END_OF_ROWS = -1;

/** A row at an offset and the offset behind it; undefined when its bytes are not all there yet. */
function readRow(bytes: Buffer, start: number): { row: CopyRow | null; next: number } | undefined {
  if (bytes.length < start + 2) return undefined;
  const fields = bytes.readInt16BE(start);
  let offset = start + 2;
  if (fields === END_OF_ROWS) return { row: null, next: offset };
  const row: (Buffer | null)[] = [];
  for (let field = 0; field < fields; field++) {
    if (bytes.length < offset + 4) return undefined;
    const length = bytes.readInt32BE(offset);
    offset += 4;
    if (bytes.length < offset + Math.max(length, 0)) return undefined;
    row.push(length < 0 ? null : bytes.subarray(offset, offset + length));
    offset += Math.max(length, 0);
  }
  return { row, next: offset };
}

/** The bytes of the header, extension area included; undefined when they are not all there yet. */
function headerLength(bytes: Buffer): number | undefined {
  if (bytes.length < SIGNATURE_LENGTH + 8) return undefined;
  return SIGNATURE_LENGTH + 8 + bytes.readInt32BE(SIGNATURE_LENGTH + 4);
}

/** Rows of a binary COPY stream, a batch per chunk. Fields are views of the chunk: copy what outlives the batch. */
export async function* decodeCopy(chunks: AsyncIterable<Buffer>): AsyncGenerator<readonly CopyRow[], void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let inHeader = true;
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let offset = 0;
    if (inHeader) {
      const header = headerLength(rest);
      if (header === undefined || rest.length < header) continue;
      offset = header;
      inHeader = false;
    }
    const batch: CopyRow[] = [];
    for (let read = readRow(rest, offset); read !== undefined; read = readRow(rest, offset)) {
      offset = read.next;
      if (read.row === null) break;
      batch.push(read.row);
    }
    rest = rest.subarray(offset);
    if (batch.length > 0) yield batch;
  }
}
