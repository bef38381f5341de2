import { readFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distance } from '#kith/embedding/distance.js';
import { defaultThreshold } from '#kith/embedding/threshold.js';
import { KithError } from '#kith/errors.js';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import type { FaceEngine } from '#kith/inference/engine.js';
import { decodePhoto, type Photo } from '#kith/photo/photo.js';
import { type FaceApi, loadFaceApi } from '../support/face-api.js';

const demo = async (name: string): Promise<Photo> =>
  decodePhoto(await readFile(new URL(`../../node_modules/@vladmandic/face-api/demo/${name}`, import.meta.url)));

const largest = (differences: Iterable<number>): number => Math.max(0, ...differences);

describe('the bundled engine', () => {
  let engine: FaceEngine;
  let faceApi: FaceApi;
  beforeAll(async () => {
    [engine, faceApi] = await Promise.all([openBundledEngine({ workers: 1 }), loadFaceApi()]);
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it('says which space its embeddings lie in', () => {
    expect(engine.space).toMatchObject({
      model: 'faceapi',
      detector: 'ssdmobilenetv1',
      aligned: true,
      normalization: 'base',
      expand: 0,
      dimensions: 128,
      channelOrder: 'rgb',
      weightsSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      producer: expect.stringMatching(/^kith \d+\.\d+\.\d+/),
    });
  });

  // Landscape photos of three to five faces, a portrait crop, an odd-sided one and a square one.
  it.each([
    ['sample1.jpg', null],
    ['sample4.jpg', null],
    ['sample6.jpg', null],
    ['sample2.jpg', { left: 1100, top: 100, width: 501, height: 1201 }],
    ['sample5.jpg', { left: 200, top: 100, width: 999, height: 701 }],
    ['sample3.jpg', { left: 500, top: 150, width: 800, height: 800 }],
  ] as const)('finds and describes the faces of %s (%o) as face-api does', async (name, region) => {
    const photo = region === null ? await demo(name) : crop(await demo(name), region);
    const [ours, theirs] = [await engine.embed(photo), await faceApi.recognise(photo)];
    expect(theirs.length).toBeGreaterThan(0);
    expect(ours.length).toBe(theirs.length);
    for (const [i, face] of ours.entries()) {
      const reference = theirs[i]!;
      const { box } = reference.detection;
      expect(
        largest((['x', 'y', 'width', 'height'] as const).map((side) => Math.abs(face.box[side] - box[side]))),
      ).toBeLessThan(0.01);
      expect(Math.abs(face.confidence - reference.detection.score)).toBeLessThan(1e-4);
      const points = reference.landmarks.positions;
      expect(
        largest(face.landmarks.flatMap(([x, y], at) => [Math.abs(x - points[at]!.x), Math.abs(y - points[at]!.y)])),
      ).toBeLessThan(0.01);
      expect(
        largest(face.embedding.values.map((value, at) => Math.abs(value - reference.descriptor[at]!))),
      ).toBeLessThan(1e-4);
    }
  });

  it('gives the same faces for detect as for embed, best first', async () => {
    const photo = await demo('sample5.jpg');
    const detected = await engine.detect(photo);
    expect(detected).toEqual((await engine.embed(photo)).map(({ embedding: _, ...face }) => face));
    expect(detected.map((face) => face.confidence)).toEqual(
      detected.map((face) => face.confidence).sort((a, b) => b - a),
    );
    expect(photo.pixels.length).toBe(photo.width * photo.height * 3);
  });

  it('finds no face where there is none, whatever the shape', async () => {
    for (const [width, height] of [
      [1, 1],
      [3, 700],
      [640, 2],
      [640, 480],
    ] as const) {
      const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 251);
      expect(await engine.embed({ width, height, pixels, sha256: '' })).toEqual([]);
    }
  });

  it('puts the faces of a crowd through the nets in batches with the same result', async () => {
    const photo = await demo('sample4.jpg');
    const alone = await engine.embed(photo);
    const crowd = await engine.embed(tile(photo, 2));
    expect(crowd.length).toBeGreaterThan(8);
    for (const face of crowd) expect(face.embedding.norm).toBeGreaterThan(1);
    const nearest = alone.map((face) =>
      Math.min(
        ...crowd.map((other) =>
          Math.hypot(...face.embedding.values.map((value, at) => value - other.embedding.values[at]!)),
        ),
      ),
    );
    expect(largest(nearest)).toBeLessThan(0.45);
  });

  it('tells how long each stage took', async () => {
    let stages: Readonly<Record<string, number>> = {};
    await engine.embed(await demo('sample1.jpg'), {
      onStages: (told) => {
        stages = told;
      },
    });
    expect(Object.keys(stages)).toEqual(['detect', 'landmarks', 'embed']);
    for (const milliseconds of Object.values(stages)) expect(milliseconds).toBeGreaterThan(0);
  });

  it('tells the same person from another at the default threshold, on changed copies', async () => {
    const threshold = defaultThreshold(engine.space) ?? Number.NaN;
    const bytes = await readFile(new URL('../../node_modules/@vladmandic/face-api/demo/sample6.jpg', import.meta.url));
    const faces = await engine.embed(await decodePhoto(bytes));
    const copy = await sharp(bytes).rotate(7).resize({ width: 1300 }).jpeg({ quality: 55 }).toBuffer();
    const copies = await engine.embed(await decodePhoto(copy));
    expect(copies).toHaveLength(faces.length);
    for (const changed of copies) {
      const distances = faces.map((face) => distance(face.embedding, changed.embedding)).sort((a, b) => a - b);
      expect(distances[0]).toBeLessThan(threshold / 2);
      expect(distances[1]).toBeGreaterThan(threshold);
    }
  });

  it('leaves the main thread free while it computes', async () => {
    const photo = await demo('sample1.jpg');
    await engine.embed(photo);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    for (let i = 0; i < 10; i++) await engine.embed(photo);
    delay.disable();
    // One photo computed on the main thread would hold it for all of its 30 ms or more.
    expect(delay.percentile(90) / 1e6).toBeLessThan(20);
  });

  it('lets go of photos: a worker never holds more than a few large ones', async () => {
    const size = { width: 6000, height: 4000, channels: 3 } as const;
    const bytes = await sharp({ create: { ...size, background: '#456' } })
      .jpeg()
      .toBuffer();
    let most = 0;
    for (let i = 0; i < 9; i++) {
      expect(await engine.embed(await decodePhoto(bytes))).toEqual([]);
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }
    expect(most).toBeLessThan(3.5 * size.width * size.height * 3);
  });

  it('says so when the device is not there', async () => {
    const device = process.platform === 'darwin' ? 'dml' : 'coreml';
    const failure = openBundledEngine({ device });
    await expect(failure).rejects.toBeInstanceOf(KithError);
    await expect(failure).rejects.toMatchObject({ code: 'inference-device', message: expect.stringContaining(device) });
  });
});

function crop(photo: Photo, region: { left: number; top: number; width: number; height: number }): Photo {
  const { left, top, width, height } = region;
  const pixels = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = ((top + row) * photo.width + left) * 3;
    pixels.set(photo.pixels.subarray(from, from + width * 3), row * width * 3);
  }
  return { width, height, pixels, sha256: '' };
}

function tile(photo: Photo, times: number): Photo {
  const width = photo.width * times;
  const height = photo.height * times;
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let i = 0; i < times; i++) {
      const from = (y % photo.height) * photo.width * 3;
      pixels.set(photo.pixels.subarray(from, from + photo.width * 3), (y * width + i * photo.width) * 3);
    }
  return { width, height, pixels, sha256: '' };
}
