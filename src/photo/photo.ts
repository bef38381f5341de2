import { createHash } from 'node:crypto';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { KithError } from '../errors.js';

/** RGB, 8 bits a channel, row-major: width · height · 3 bytes. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** A decoded, upright photo; its pixels are in shared memory, so that workers read them in place. */
export interface Photo extends Pixels {
  /** SHA-256 of the file's bytes, hex. */
  readonly sha256: string;
}

export interface PhotoLimits {
  /** Bytes of the file. */
  readonly maxBytes: number;
  /** Width × height. */
  readonly maxPixels: number;
}

/** 20 MiB and 64 megapixels: what a phone's full-resolution photo needs, and 192 MB of pixels at most. */
export const DEFAULT_PHOTO_LIMITS: PhotoLimits = Object.freeze({ maxBytes: 20 * 1024 * 1024, maxPixels: 64_000_000 });

const FORMATS: ReadonlySet<string> = new Set(['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff']);

/**
 * Decodes a JPEG, PNG, WebP, AVIF, GIF (first frame) or TIFF (first page) into upright RGB pixels: EXIF orientation
 * applied, colours converted to sRGB (CMYK and 16-bit too), transparency laid on black. Size is checked from the header, before any pixel is decoded.
 * Throws `photo-empty`, `photo-too-large-bytes`, `photo-not-an-image`, `photo-format`, `photo-too-many-pixels` or `photo-corrupt`.
 *
 * @example const photo = await decodePhoto(await readFile('face.jpg'));
 */
export async function decodePhoto(
  bytes: Uint8Array,
  limits: Partial<PhotoLimits> = {},
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Photo> {
  const { maxBytes, maxPixels } = { ...DEFAULT_PHOTO_LIMITS, ...limits };
  if (bytes.length === 0) throw new KithError('photo-empty', {});
  if (bytes.length > maxBytes) throw new KithError('photo-too-large-bytes', { given: bytes.length, limit: maxBytes });
  const image = sharp(bytes, { limitInputPixels: false, failOn: 'error', pages: 1, sequentialRead: true });
  assertReadable(await readHeader(image), maxPixels);
  options.signal?.throwIfAborted();
  const decoded = await decodePixels(image);
  options.signal?.throwIfAborted();
  return { ...decoded, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function readHeader(image: Sharp): Promise<Metadata> {
  try {
    return await image.metadata();
  } catch (cause) {
    throw new KithError('photo-not-an-image', {}, { cause });
  }
}

function assertReadable(header: Metadata, maxPixels: number): void {
  // AVIF is reported as heif with compression av1.
  const format = header.format === 'heif' && header.compression === 'av1' ? 'avif' : header.format;
  if (format === undefined || !FORMATS.has(format)) throw new KithError('photo-format', { given: format ?? 'unknown' });
  const { width, height } = header;
  if (width * height > maxPixels) throw new KithError('photo-too-many-pixels', { width, height, limit: maxPixels });
}

async function decodePixels(image: Sharp): Promise<Pick<Photo, 'width' | 'height' | 'pixels'>> {
  try {
    const { data, info } = await image
      .autoOrient()
      .flatten({ background: '#000000' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const pixels = new Uint8Array(new SharedArrayBuffer(info.width * info.height * 3));
    if (info.channels === 3) pixels.set(data);
    else for (let i = 0; i < pixels.length; i++) pixels[i] = data[Math.floor(i / 3) * info.channels]!;
    return { width: info.width, height: info.height, pixels };
  } catch (cause) {
    throw new KithError('photo-corrupt', {}, { cause });
  }
}
