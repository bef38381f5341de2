import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Point } from '#kith/face/face.js';
import { ARCFACE_TEMPLATE, estimateSimilarity } from '#kith/face/face-transform.js';
import { warpFace } from '#kith/face/face-warp.js';
import { insightFacePack } from '#kith/inference/insightface/insightface-packs.js';
import { scrfdInput } from '#kith/inference/insightface/scrfd-input.js';
import { openInsightFaceEngine } from '#kith/inference/insightface-engine.js';
import type { Photo } from '#kith/photo/photo.js';
import { noise, TINY_BOX, TINY_CELLS, TINY_POINTS, tinyArcFace, writeTinyPack } from '../support/insightface-models.js';

interface Summary {
  readonly size: readonly [number, number];
  readonly sum: readonly number[];
  readonly rows: readonly (readonly number[])[];
}
interface Reference {
  readonly picture: readonly [number, number];
  readonly crops: Readonly<Record<string, { points: Point[]; matrix: number[]; crop: Summary }>>;
  readonly sizes: Readonly<Record<string, [number, number]>>;
  readonly letterboxes: Readonly<Record<string, Summary>>;
}
// Made by oracle/insightface_crops.py with OpenCV and scikit-image.
const reference = JSON.parse(
  await readFile(new URL('./insightface-reference.json', import.meta.url), 'utf8'),
) as Reference;

const photoOf = (width: number, height: number, value: (x: number, y: number, channel: number) => number): Photo => {
  const pixels = new Uint8Array(width * height * 3);
  for (let at = 0; at < pixels.length; at++)
    pixels[at] = value(Math.floor(at / 3) % width, Math.floor(at / 3 / width), at % 3);
  return { width, height, pixels, sha256: '' };
};
const picture = (width: number, height: number): Photo =>
  photoOf(width, height, (x, y, c) =>
    Math.max(0, Math.min(255, Math.floor(96 + 70 * Math.sin(x / 9 + c) + 60 * Math.cos(y / 7 - c)))),
  );

/** The same numbers of planar values as the reference has of an OpenCV image, at most one grey level apart. */
function expectLike(value: (x: number, y: number, channel: number) => number, expected: Summary): void {
  const [width, height] = expected.size;
  const step = Math.max(1, Math.floor(width / 16));
  [0, Math.floor(height / 3), Math.floor(height / 2), height - 1].forEach((y, row) => {
    const line = expected.rows[row]!;
    for (let at = 0; at < line.length; at++) {
      const given = value(Math.floor(at / 3) * step, y, at % 3);
      expect(Math.abs(given - line[at]!), `row ${y}, value ${at}`).toBeLessThanOrEqual(1);
    }
  });
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) sum += value(x, y, channel);
    // One grey level in a hundred pixels, on average.
    expect(Math.abs(sum - expected.sum[channel]!)).toBeLessThan(width * height * 0.01);
  }
}

describe("InsightFace's geometry", () => {
  it.each(Object.entries(reference.crops))('aligns and cuts out %s as scikit-image and OpenCV do', (_name, face) => {
    const transform = estimateSimilarity(face.points, ARCFACE_TEMPLATE)!;
    const { a, b, c, d, e, f } = transform;
    [a, b, c, d, e, f].forEach((value, i) => {
      expect(value).toBeCloseTo(face.matrix[i]!, 9);
    });
    const crop = new Float32Array(5 + 3 * 112 * 112);
    warpFace(picture(...reference.picture), transform, { side: 112, mean: 0, scale: 1 }, crop, 5);
    expectLike((x, y, channel) => crop[5 + (channel * 112 + y) * 112 + x]!, face.crop);
  });

  it.each(Object.entries(reference.letterboxes))('scales a %s photo as OpenCV does', (name, expected) => {
    const { input, scale } = scrfdInput(picture(...reference.sizes[name]!));
    expectLike((x, y, channel) => Math.round(input[(channel * 640 + y) * 640 + x]! * 128 + 127.5), expected);
    expect(scale).toBeCloseTo(expected.size[1] / reference.sizes[name]![1], 9);
    const [width, height] = expected.size;
    const outside = width < 640 ? width : height * 640;
    expect(input[outside]).toBeCloseTo(-127.5 / 128, 6);
  });

  it('has no transform for points that coincide', () => {
    expect(estimateSimilarity(Array<Point>(5).fill([3, 4]), ARCFACE_TEMPLATE)).toBeNull();
  });
});

describe('the InsightFace engine', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'kith-pack-'));
    await mkdir(path.join(folder, 'buffalo_l'));
    await writeTinyPack(path.join(folder, 'buffalo_l'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const pack = insightFacePack('buffalo_l')!;

  /** Black, with squares of pure colour: what the tiny detector takes for faces. */
  const marked = (width: number, height: number, marks: readonly [number, number, number, number][]): Photo =>
    photoOf(width, height, (x, y, channel) =>
      marks.some(
        ([left, top, side, colour]) => colour === channel && x >= left && x < left + side && y >= top && y < top + side,
      )
        ? 255
        : 0,
    );

  it('names its space after the pack and knows its weights', async () => {
    await using engine = await openInsightFaceEngine(pack, { models: ['/nowhere', folder], workers: 1 });
    expect(engine.space).toMatchObject({
      model: 'buffalo_l',
      detector: 'scrfd',
      aligned: true,
      dimensions: 512,
      metric: 'cosine',
      channelOrder: 'rgb',
      weightsSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('decodes anchors of every stride, in the photo’s own pixels', async () => {
    await using engine = await openInsightFaceEngine(pack, { models: [folder], workers: 1 });
    // The photo is twice the detector's square: a mark of 16 covers one place of stride 8 and so on.
    const photo = marked(1280, 960, [
      [160, 320, 16, 0],
      [640, 64, 32, 1],
      [1024, 512, 64, 2],
    ]);
    const faces = await engine.detect(photo);
    const expected = [
      { stride: 8, x: 160, y: 320 },
      { stride: 16, x: 640, y: 64 },
      { stride: 32, x: 1024, y: 512 },
    ].map(({ stride, x, y }) => {
      const unit = stride * 2;
      const [left, top, right, bottom] = TINY_BOX;
      return {
        box: { x: x - left * unit, y: y - top * unit, width: (left + right) * unit, height: (top + bottom) * unit },
        landmarks: [0, 1, 2, 3, 4].map((i) => [x + TINY_POINTS[2 * i]! * unit, y + TINY_POINTS[2 * i + 1]! * unit]),
      };
    });
    const byWidth = [...faces].sort((a, b) => a.box.width - b.box.width);
    expect(byWidth).toMatchObject(expected);
    for (const face of faces) {
      expect(face.confidence).toBeCloseTo(127.5 / 128, 2);
      expect(face.quality).toMatchObject({ turn: 0, size: face.box.width });
    }
  });

  it('suppresses what overlaps by more than 0.4 and keeps the better', async () => {
    await using engine = await openInsightFaceEngine(pack, { models: [folder], workers: 1 });
    const neighbours = marked(640, 640, [
      [320, 320, 8, 0],
      [328, 320, 8, 0],
      [400, 320, 8, 0],
    ]);
    expect(await engine.detect(neighbours)).toHaveLength(2);
    expect(await engine.detect(marked(640, 640, []))).toEqual([]);
  });

  it('gives each face the vector of its aligned crop, in batches', async () => {
    await using engine = await openInsightFaceEngine(pack, { models: [folder], workers: 1 });
    const marks = Array.from(
      { length: 11 },
      (_, i) => [40 + 48 * i, 200 + 8 * i, 16, 1] as [number, number, number, number],
    );
    const base = marked(
      640,
      640,
      marks.map(([x, y, side, channel]) => [x - (x % 16), y - (y % 16), side, channel]),
    );
    const photo = { ...base, pixels: base.pixels.map((value, at) => (value === 0 ? (at * 31) % 97 : value)) };
    const faces = await engine.embed(photo);
    expect(faces.length).toBeGreaterThan(8);
    const mixture = noise(TINY_CELLS * 512, 7);
    for (const face of faces) {
      const crop = new Float32Array(3 * 112 * 112);
      const transform = estimateSimilarity(face.landmarks, ARCFACE_TEMPLATE)!;
      warpFace(photo, transform, { side: 112, mean: 127.5, scale: 1 / 127.5 }, crop, 0);
      const cells = new Float64Array(TINY_CELLS);
      crop.forEach((value, at) => {
        const [channel, y, x] = [Math.floor(at / 12544), Math.floor(at / 112) % 112, at % 112];
        cells[(channel * 7 + Math.floor(y / 16)) * 7 + Math.floor(x / 16)]! += value / 256;
      });
      for (const at of [0, 1, 100, 511]) {
        const expected = cells.reduce((sum, cell, i) => sum + cell * mixture[i * 512 + at]!, 0);
        expect(face.embedding.values[at]).toBeCloseTo(expected, 3);
      }
    }
    expect(new Set(faces.map((face) => face.embedding.values[0])).size).toBe(faces.length);
  });

  it('says which file is missing and where it was looked for', async () => {
    await expect(openInsightFaceEngine(insightFacePack('buffalo_s')!, { models: [folder] })).rejects.toMatchObject({
      code: 'weights-missing',
      message: expect.stringContaining('det_500m.onnx'),
    });
  });

  it.each([
    ['is no model', () => Buffer.from('<html>404</html>')],
    ['is another model', tinyArcFace],
  ])('says so when the detector %s', async (_what, bytes) => {
    const wrong = await mkdtemp(path.join(tmpdir(), 'kith-pack-'));
    await writeTinyPack(wrong);
    await writeFile(path.join(wrong, 'det_10g.onnx'), bytes());
    await expect(openInsightFaceEngine(pack, { models: [wrong] })).rejects.toMatchObject({ code: 'inference-model' });
    await rm(wrong, { recursive: true });
  });
});
