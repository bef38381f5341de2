import sharp, { type Metadata, type Sharp } from 'sharp';
import { KithError } from '../errors.js';
import { readSignature } from './photo-signature.js';
import { copyToShared, sha256InSlices } from './photo-slices.js';

// libvips would keep the operations of past photos, and their pixels; no photo comes twice here.
sharp.cache(false);

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

/** A photo decoded at a fraction of its size, with what is needed to speak of it in its own pixels. */
export interface ReducedPhoto {
  readonly photo: Photo;
  /** Size of the upright photo itself; `photo` is a half, a quarter or an eighth of it, or all of it. */
  readonly width: number;
  readonly height: number;
}

export interface DecodeOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface PhotoLimits {
  /** Bytes of the file. */
  readonly maxBytes: number;
  /** Width × height. */
  readonly maxPixels: number;
}

/** 20 MiB and 64 megapixels: what a phone's full-resolution photo needs, and 192 MB of pixels at most. */
export const DEFAULT_PHOTO_LIMITS: PhotoLimits = Object.freeze({ maxBytes: 20 * 1024 * 1024, maxPixels: 64_000_000 });

/**
 * Decodes a JPEG, PNG, WebP, AVIF, GIF (first frame) or TIFF (first page) into upright RGB pixels. The size is checked
 * from the header, before any pixel is decoded. The values are those that OpenCV's `imread`, and so DeepFace, gives:
 * EXIF orientation applied, transparency dropped (not laid on a colour), embedded colour profiles ignored, 16 bits cut
 * to 8, grey and CMYK converted to RGB.
 * Throws `photo-empty`, `photo-too-large-bytes`, `photo-not-an-image`, `photo-format`, `photo-too-many-pixels` or
 * `photo-corrupt`; aborting rejects with the signal's reason, between header and pixels or after them.
 *
 * @example const photo = await decodePhoto(await readFile('face.jpg'));
 */
export async function decodePhoto(
  bytes: Uint8Array,
  limits: Partial<PhotoLimits> = {},
  options: DecodeOptions = {},
): Promise<Photo> {
  return (await decodeReducedPhoto(bytes, Number.POSITIVE_INFINITY, limits, options)).photo;
}

/**
 * As {@link decodePhoto}, but a JPEG is decoded at a half, a quarter or an eighth of its size as long as its longer
 * side keeps `enough` pixels: the decoder then skips most of its work and memory. Other formats are decoded in full.
 */
export async function decodeReducedPhoto(
  bytes: Uint8Array,
  enough: number,
  limits: Partial<PhotoLimits> = {},
  options: DecodeOptions = {},
): Promise<ReducedPhoto> {
  const { maxBytes, maxPixels } = { ...DEFAULT_PHOTO_LIMITS, ...limits };
  if (bytes.length === 0) throw new KithError('photo-empty', {});
  if (bytes.length > maxBytes) throw new KithError('photo-too-large-bytes', { given: bytes.length, limit: maxBytes });
  assertFormat(bytes);
  // `error` refuses cut off and damaged files but not harmless warnings, which cameras' files are full of.
  const image = sharp(bytes, { limitInputPixels: false, failOn: 'error', pages: 1, ignoreIcc: true });
  const header = await readHeader(image);
  const { width, height } = header.autoOrient;
  if (width * height > maxPixels) throw new KithError('photo-too-many-pixels', { width, height, limit: maxPixels });
  options.signal?.throwIfAborted();
  const factor = header.format === 'jpeg' ? reduction(Math.max(width, height), enough) : 1;
  const pixels = await decodePixels(image, Math.ceil(width / factor), Math.ceil(height / factor), factor);
  options.signal?.throwIfAborted();
  return { photo: { ...pixels, sha256: await sha256InSlices(bytes) }, width, height };
}

// libjpeg scales while it decodes by these factors.
const reduction = (longer: number, enough: number): number => [8, 4, 2].find((by) => longer / by >= enough) ?? 1;

function assertFormat(bytes: Uint8Array): void {
  const signature = readSignature(bytes);
  switch (signature.kind) {
    case 'read':
      return;
    case 'refused':
      throw new KithError('photo-format', { given: signature.format });
    case 'unknown':
      throw new KithError('photo-not-an-image', {});
  }
}

async function readHeader(image: Sharp): Promise<Metadata> {
  try {
    return await image.metadata();
  } catch (cause) {
    throw new KithError('photo-corrupt', {}, { cause });
  }
}

async function decodePixels(image: Sharp, width: number, height: number, factor: number): Promise<Pixels> {
  try {
    const upright = image.autoOrient();
    const { data, info } = await (factor === 1 ? upright : upright.resize({ width, height, fit: 'fill' }))
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const pixels = await copyToShared(info.channels === 3 ? data : spreadGrey(data, info.channels));
    return { width: info.width, height: info.height, pixels };
  } catch (cause) {
    throw new KithError('photo-corrupt', {}, { cause });
  }
}

function spreadGrey(grey: Uint8Array, channels: number): Uint8Array {
  const pixels = new Uint8Array((grey.length / channels) * 3);
  for (let from = 0, to = 0; to < pixels.length; from += channels, to += 3) pixels.fill(grey[from]!, to, to + 3);
  return pixels;
}
