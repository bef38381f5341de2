import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodePhoto, type Photo } from '#kith/photo/photo.js';

const sample = new URL('../../node_modules/@vladmandic/face-api/demo/sample1.jpg', import.meta.url);

/** A picture whose corners tell which way is up: red top left, green top right, blue bottom left, white bottom right. */
function corners(width = 40, height = 20): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const colour =
        y < height / 2 ? (x < width / 2 ? [255, 0, 0] : [0, 255, 0]) : x < width / 2 ? [0, 0, 255] : [255, 255, 255];
      pixels.set(colour, (y * width + x) * 3);
    }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

const pixel = (photo: Photo, x: number, y: number): number[] => [
  ...photo.pixels.slice((y * photo.width + x) * 3, (y * photo.width + x) * 3 + 3),
];

/** A PNG of one colour that claims any size, of a few kilobytes. */
function pngBomb(width: number, height: number): Uint8Array {
  const chunk = (type: string, data: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(data.length);
    head.write(type, 4, 'latin1');
    // The checksum is left 0: nothing may be decoded, so nothing may look at it.
    return Buffer.concat([head, data, Buffer.alloc(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(1_000_000))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('decoding a photo', () => {
  let jpeg: Buffer;
  beforeAll(async () => {
    jpeg = await readFile(sample);
  });

  it('gives RGB pixels in shared memory, the size, and the SHA-256 of the bytes', async () => {
    const photo = await decodePhoto(jpeg);
    expect([photo.width, photo.height]).toEqual([1920, 1280]);
    expect(photo.pixels.length).toBe(1920 * 1280 * 3);
    expect(photo.pixels.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(photo.sha256).toBe(createHash('sha256').update(jpeg).digest('hex'));
  });

  it.each(['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff'] as const)('reads %s', async (format) => {
    const lossless = format === 'webp' || format === 'avif' ? { lossless: true } : {};
    const photo = await decodePhoto(await corners().toFormat(format, lossless).toBuffer());
    expect([photo.width, photo.height]).toEqual([40, 20]);
    const near = (given: number[], expected: number[]): void =>
      expect(Math.max(...given.map((value, channel) => Math.abs(value - expected[channel]!)))).toBeLessThan(12);
    near(pixel(photo, 3, 3), [255, 0, 0]);
    near(pixel(photo, 36, 3), [0, 255, 0]);
    near(pixel(photo, 3, 16), [0, 0, 255]);
    near(pixel(photo, 36, 16), [255, 255, 255]);
  });

  // EXIF 2.32, table 4: what the viewer has to do with the stored rows. Each is stored so that red must come out top left.
  it.each([
    [1, (image: Sharp) => image],
    [2, (image: Sharp) => image.flop()],
    [3, (image: Sharp) => image.rotate(180)],
    [4, (image: Sharp) => image.flip()],
    [5, (image: Sharp) => image.rotate(270).flop()],
    [6, (image: Sharp) => image.rotate(270)],
    [7, (image: Sharp) => image.rotate(90).flop()],
    [8, (image: Sharp) => image.rotate(90)],
  ] as const)('turns EXIF orientation %i upright', async (orientation, store) => {
    const stored = await store(corners()).png().toBuffer();
    const tagged = await sharp(stored).withMetadata({ orientation }).png().toBuffer();
    const photo = await decodePhoto(tagged);
    expect([photo.width, photo.height]).toEqual([40, 20]);
    expect([pixel(photo, 3, 3), pixel(photo, 36, 3), pixel(photo, 3, 16)]).toEqual([
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ]);
  });

  it('makes RGB of grey, of grey with alpha, of 16 bits and of CMYK', async () => {
    const grey = await decodePhoto(await corners().grayscale().png().toBuffer());
    const [luma] = pixel(grey, 3, 3);
    expect(pixel(grey, 3, 3)).toEqual([luma, luma, luma]);
    expect(luma).toBeGreaterThan(30);
    expect(luma).toBeLessThan(140);
    const greyAlpha = await decodePhoto(await corners().grayscale().ensureAlpha(0.5).png().toBuffer());
    expect(pixel(greyAlpha, 3, 3)).toEqual([luma, luma, luma]);
    const deep = await decodePhoto(await corners().toColourspace('rgb16').png().toBuffer());
    expect(pixel(deep, 36, 3)).toEqual([0, 255, 0]);
    const cmyk = pixel(
      await decodePhoto(await corners().toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer()),
      3,
      3,
    );
    expect(cmyk[0]).toBeGreaterThan(200);
    expect(Math.max(cmyk[1]!, cmyk[2]!)).toBeLessThan(80);
  });

  it('drops transparency as OpenCV does: the hidden colour stays', async () => {
    const hidden = await corners().ensureAlpha(0).png().toBuffer();
    expect(pixel(await decodePhoto(hidden), 36, 3)).toEqual([0, 255, 0]);
  });

  it('reads the first frame of an animation and the first page of a TIFF', async () => {
    const frames = await sharp([await corners().png().toBuffer(), await corners().negate().png().toBuffer()], {
      join: { animated: true },
    })
      .gif()
      .toBuffer();
    const photo = await decodePhoto(frames);
    expect([photo.width, photo.height]).toEqual([40, 20]);
    expect(pixel(photo, 3, 3)[0]).toBeGreaterThan(240);
  });

  it.each([
    ['an empty upload', () => new Uint8Array(0), 'photo-empty', 400],
    ['a text', () => Buffer.from('this is not a photo, it is a text\n'.repeat(99)), 'photo-not-an-image', 415],
    ['a web page', () => Buffer.from('<!doctype html><title>no</title>'), 'photo-not-an-image', 415],
    ['one byte', () => Buffer.from([0xff]), 'photo-not-an-image', 415],
    ['a drawing', () => Buffer.from('<?xml version="1.0"?><svg width="9" height="9"></svg>'), 'photo-format', 415],
    ['a PDF', () => Buffer.from('%PDF-1.7\n'), 'photo-format', 415],
    ['a HEIC', () => Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), 'photo-format', 415],
    ['a JPEG that is cut off', () => jpeg.subarray(0, 60_000), 'photo-corrupt', 422],
    ['a JPEG of its header only', () => jpeg.subarray(0, 300), 'photo-corrupt', 422],
    ['a JPEG of three bytes', () => jpeg.subarray(0, 3), 'photo-corrupt', 422],
    ['a PNG of its signature only', () => Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), 'photo-corrupt', 422],
    ['a PNG with broken rows', () => pngBomb(1000, 1000), 'photo-corrupt', 422],
    ['a bomb of 100 megapixels', () => pngBomb(10_000, 10_000), 'photo-too-many-pixels', 413],
    ['a bomb of 4 gigapixels', () => pngBomb(65_500, 65_500), 'photo-too-many-pixels', 413],
  ] as const)('refuses %s', async (_what, bytes, code, status) => {
    await expect(decodePhoto(bytes())).rejects.toMatchObject({ code, status });
  });

  it('refuses a bomb before it decodes anything', async () => {
    const before = process.memoryUsage().rss;
    const start = performance.now();
    await expect(decodePhoto(pngBomb(30_000, 30_000))).rejects.toMatchObject({
      message: 'a photo of 30000 × 30000 pixels was given where at most 64000000 pixels are allowed',
    });
    expect(performance.now() - start).toBeLessThan(500);
    expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
  });

  it('keeps to limits that are set', async () => {
    await expect(decodePhoto(jpeg, { maxBytes: 1000 })).rejects.toMatchObject({ code: 'photo-too-large-bytes' });
    await expect(decodePhoto(jpeg, { maxPixels: 1000 })).rejects.toMatchObject({ code: 'photo-too-many-pixels' });
  });

  it('stops when it is aborted', async () => {
    await expect(decodePhoto(jpeg, {}, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });

  it('decodes every bytewise damage to a photo or a catalogued fault, never anything else', async () => {
    const small = await corners(200, 100).jpeg().toBuffer();
    for (let at = 0; at < small.length; at += 7) {
      const damaged = Buffer.from(small);
      damaged[at] = damaged[at]! ^ 0xff;
      const outcome = await decodePhoto(damaged).then(
        (photo) => photo.pixels.length === photo.width * photo.height * 3,
        (error: { code?: string }) => error.code?.startsWith('photo-'),
      );
      expect(outcome, `byte ${at}`).toBe(true);
    }
  });
});
