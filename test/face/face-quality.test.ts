import { readFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { measureQuality, turnOf } from '#kith/face/face-quality.js';
import { decodePhoto, type Photo } from '#kith/photo/photo.js';

const sample = new URL('../../node_modules/@vladmandic/face-api/demo/sample6.jpg', import.meta.url);
// The second face of that photo.
const box = { x: 1180, y: 390, width: 210, height: 270 };
const points = { leftEye: [1230, 480], rightEye: [1330, 480], nose: [1280, 540] } as const;

const changed = async (change: (image: Sharp) => Sharp): Promise<Photo> =>
  decodePhoto(
    await change(sharp(await readFile(sample)))
      .png()
      .toBuffer(),
  );

describe('the quality of a face', () => {
  it('falls with blur, step by step, and hardly with compression', async () => {
    const sharpness = async (change: (image: Sharp) => Sharp): Promise<number> =>
      measureQuality(await changed(change), box, points).sharpness;
    const [plain, slight, medium, strong] = [
      await sharpness((image) => image),
      await sharpness((image) => image.blur(2)),
      await sharpness((image) => image.blur(4)),
      await sharpness((image) => image.blur(10)),
    ];
    expect(plain).toBeGreaterThan(100);
    expect(slight).toBeLessThan(0.9 * plain);
    expect(medium).toBeLessThan(0.5 * slight);
    expect(strong).toBeLessThan(0.2 * medium);
    expect(strong).toBeLessThan(5);
    const compressed = sharp(await readFile(sample)).jpeg({ quality: 40 });
    const again = measureQuality(await decodePhoto(await compressed.toBuffer()), box, points).sharpness;
    expect(Math.abs(again - plain)).toBeLessThan(0.4 * plain);
  });

  it('does not call a large face sharper for its pixels: the same face at twice the size measures the same', async () => {
    const plain = await changed((image) => image);
    const double = await changed((image) => image.resize({ width: plain.width * 2 }));
    const scaled = { x: box.x * 2, y: box.y * 2, width: box.width * 2, height: box.height * 2 };
    const [one, two] = [measureQuality(plain, box, points), measureQuality(double, scaled, points)];
    expect(Math.abs(two.sharpness - one.sharpness)).toBeLessThan(0.2 * one.sharpness);
    expect(two.size).toBe(one.size * 2);
  });

  it('measures boxes at and over the edge', async () => {
    const photo = await changed((image) => image);
    for (const edge of [
      { x: -50, y: -80, width: 200, height: 200 },
      { x: photo.width - 20, y: photo.height - 20, width: 300, height: 300 },
      { x: 10, y: 10, width: 0.4, height: 0.4 },
    ])
      expect(Number.isFinite(measureQuality(photo, edge, points).sharpness)).toBe(true);
  });

  it('reads turn from where the nose stands between the eyes, whatever the roll', () => {
    expect(turnOf({ leftEye: [0, 0], rightEye: [10, 0], nose: [5, 7] })).toBe(0);
    expect(turnOf({ leftEye: [0, 0], rightEye: [10, 0], nose: [7.5, 7] })).toBe(0.5);
    expect(turnOf({ leftEye: [0, 0], rightEye: [10, 0], nose: [12, 7] })).toBe(1);
    expect(turnOf({ leftEye: [0, 0], rightEye: [0, 10], nose: [-7, 7.5] })).toBe(0.5);
    expect(turnOf({ leftEye: [3, 3], rightEye: [3, 3], nose: [3, 4] })).toBe(1);
  });
});
