import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodePhoto } from '#kith/photo/photo.js';
import { annotatePhoto, canDrawNames } from '#kith/photo/photo-annotate.js';

const blank = (width: number, height: number, value = 90) => ({
  width,
  height,
  pixels: new Uint8Array(new SharedArrayBuffer(width * height * 3)).fill(value),
});
const box = { x: 100, y: 80, width: 60, height: 50 };

async function pixels(image: Buffer): Promise<(x: number, y: number) => number[]> {
  const photo = await decodePhoto(image);
  return (x, y) => [...photo.pixels.slice((y * photo.width + x) * 3, (y * photo.width + x) * 3 + 3)];
}

/** How many pixels of a region are not the background. */
async function drawn(image: Buffer, left: number, top: number, width: number, height: number): Promise<number> {
  const at = await pixels(image);
  let count = 0;
  for (let y = top; y < top + height; y++)
    for (let x = left; x < left + width; x++) if (at(x, y).some((value) => value !== 90)) count += 1;
  return count;
}

describe('annotating a photo', () => {
  it('draws each verdict in its colour on the edge of the box and leaves the rest as it was', async () => {
    for (const [verdict, colour] of [
      ['known', [39, 201, 63]],
      ['ambiguous', [255, 189, 46]],
      ['unknown', [255, 255, 255]],
    ] as const) {
      const at = await pixels(await annotatePhoto(blank(400, 300), [{ box, verdict }], 'png'));
      expect(at(100, 105)).toEqual(colour);
      expect(at(160, 105)).toEqual(colour);
      expect(at(130, 80)).toEqual(colour);
      expect(at(130, 105)).toEqual([90, 90, 90]);
      expect(at(20, 20)).toEqual([90, 90, 90]);
    }
  });

  it('writes JPEG unless asked for PNG, in the size of the photo', async () => {
    const jpeg = await sharp(await annotatePhoto(blank(123, 77), [])).metadata();
    expect(jpeg).toMatchObject({ format: 'jpeg', width: 123, height: 77 });
    expect((await sharp(await annotatePhoto(blank(123, 77), [], 'png')).metadata()).format).toBe('png');
  });

  it('writes names above the box, or below at the upper edge', async (test) => {
    if (!(await canDrawNames())) {
      console.log('skipped: no font is installed on this machine, so no name can be drawn');
      return test.skip();
    }
    const above = await annotatePhoto(blank(400, 300), [{ box, label: 'Jože Novák' }], 'png');
    expect(await drawn(above, 100, 60, 100, 15)).toBeGreaterThan(50);
    const high = { ...box, y: 2 };
    const below = await annotatePhoto(blank(400, 300), [{ box: high, label: 'Jože Novák' }], 'png');
    expect(await drawn(below, 100, 57, 100, 12)).toBeGreaterThan(50);
  });

  it.each([
    ['markup', '</text><image href="x"/>&lt;"\''],
    ['an entity', '&undefined; &#0;'],
    ['control characters', 'a\0b\u0007c\u001b[31m'],
    ['lone surrogates', 'a\ud800b\udfff'],
    ['scripts of the world', '王小明 محمد Łukasz Ελένη Дмитрий 👩‍👩‍👧 नमस्ते'],
    ['a very long name', '長'.repeat(5000)],
  ])('takes %s in a name as text', async (_what, label) => {
    const image = await annotatePhoto(blank(400, 300), [{ box, label, verdict: 'known' }], 'png');
    const at = await pixels(image);
    expect(at(100, 105)).toEqual([39, 201, 63]);
    expect(at(390, 290)).toEqual([90, 90, 90]);
  });

  it('draws what lies inside of a box that reaches over the edge', async () => {
    const at = await pixels(
      await annotatePhoto(blank(200, 100), [{ box: { x: 150, y: 20, width: 500, height: 40 } }], 'png'),
    );
    expect(at(150, 40)).toEqual([255, 255, 255]);
    expect(at(199, 20)).toEqual([255, 255, 255]);
  });
});
