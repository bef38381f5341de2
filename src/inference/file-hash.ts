import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** SHA-256 of a file, hex, read in pieces. `onBytes` is told of each piece's length. */
export async function sha256OfFile(
  file: string,
  options: { readonly signal?: AbortSignal | undefined; readonly onBytes?: ((count: number) => void) | undefined } = {},
): Promise<string> {
  const hash = createHash('sha256');
  const source = createReadStream(file, { highWaterMark: 1 << 20 });
  if (options.onBytes !== undefined) source.on('data', (piece) => options.onBytes?.(piece.length));
  await pipeline(source, hash, options.signal === undefined ? {} : { signal: options.signal });
  return hash.digest('hex');
}
