import { createHash } from 'node:crypto';
import type { Embedding } from '../embedding/embedding.js';

/** SHA-256 of a vector's float32 bytes: what stands for a probe that came without a photo. */
export function vectorSha256({ values }: Embedding): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash('sha256').update(bytes).digest('hex');
}
