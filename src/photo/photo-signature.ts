/** What the first bytes of a file say that it is: a format that is read, one that is not, or nothing known. */
export type Signature =
  | { readonly kind: 'read'; readonly format: 'jpeg' | 'png' | 'webp' | 'avif' | 'gif' | 'tiff' }
  | { readonly kind: 'refused'; readonly format: string }
  | { readonly kind: 'unknown' };

const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', from, to);

const READ: readonly (readonly [format: 'jpeg' | 'png' | 'gif' | 'tiff', start: string])[] = [
  ['jpeg', '\xff\xd8\xff'],
  ['png', '\x89PNG\r\n\x1a\n'],
  ['gif', 'GIF87a'],
  ['gif', 'GIF89a'],
  ['tiff', 'II*\0'],
  ['tiff', 'MM\0*'],
  ['tiff', 'II+\0'],
  ['tiff', 'MM\0+'],
];
const REFUSED: readonly (readonly [format: string, start: string])[] = [
  ['PDF', '%PDF-'],
  ['BMP', 'BM'],
  ['JPEG 2000', '\0\0\0\x0cjP  '],
  ['JPEG XL', '\0\0\0\x0cJXL '],
  ['JPEG XL', '\xff\x0a'],
  ['ICO', '\0\0\x01\0'],
  ['PSD', '8BPS'],
];

/**
 * Tells a file's format from its first bytes, so that only the six formats ever reach a decoder: drawings (SVG, PDF)
 * can hold anything, and a decoder that is not run has no holes.
 */
export function readSignature(bytes: Uint8Array): Signature {
  const start = latin1(bytes, 0, 512);
  const read = READ.find(([, magic]) => start.startsWith(magic));
  if (read !== undefined) return { kind: 'read', format: read[0] };
  if (start.startsWith('RIFF') && start.slice(8, 12) === 'WEBP') return { kind: 'read', format: 'webp' };
  if (start.slice(4, 8) === 'ftyp') return readBrand(start);
  const refused = REFUSED.find(([, magic]) => start.startsWith(magic));
  if (refused !== undefined) return { kind: 'refused', format: refused[0] };
  if (/<svg[\s>]/i.test(start)) return { kind: 'refused', format: 'SVG' };
  return { kind: 'unknown' };
}

/** ISO base media files name their brands: AVIF is read, HEIC needs a decoder that is not free to ship. */
function readBrand(start: string): Signature {
  const length = Math.min(start.length, start.charCodeAt(2) * 256 + start.charCodeAt(3));
  const brands = start.slice(8, Math.max(12, length));
  if (/avi[fs]/.test(brands)) return { kind: 'read', format: 'avif' };
  if (/hei[cxms]|hev[cx]|mif1/.test(brands)) return { kind: 'refused', format: 'HEIC' };
  return { kind: 'refused', format: 'video' };
}
