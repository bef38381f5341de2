import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';

// What is copied or hashed in less than a millisecond: other requests are answered between two slices.
const SLICE = 1024 * 1024;

/** Copies decoded pixels into shared memory without holding the event loop: a 64-megapixel photo is 192 MB. */
export async function copyToShared(data: Uint8Array): Promise<Uint8Array> {
  const shared = new Uint8Array(new SharedArrayBuffer(data.length));
  for (let start = 0; start < data.length; start += SLICE) {
    if (start > 0) await nextTurn();
    shared.set(data.subarray(start, start + SLICE), start);
  }
  return shared;
}

/** SHA-256 of a file's bytes, hex, in the same slices. */
export async function sha256InSlices(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let start = 0; start < bytes.length; start += SLICE) {
    if (start > 0) await nextTurn();
    hash.update(bytes.subarray(start, start + SLICE));
  }
  return hash.digest('hex');
}
