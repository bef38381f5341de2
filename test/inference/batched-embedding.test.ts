// Photos that wait for a worker travel together, and their faces go through the recognition network in one run: the
// results are those of the photos one by one.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import type { EmbeddedFace, FaceEngine } from '#kith/inference/engine.js';
import { insightFacePack } from '#kith/inference/insightface/insightface-packs.js';
import { openInsightFaceEngine } from '#kith/inference/insightface-engine.js';
import { decodePhoto, type Photo } from '#kith/photo/photo.js';
import { writeTinyPack } from '../support/insightface-models.js';
import { samplePhoto } from '../support/recognition.js';
import { cosineDistance } from '../support/references.js';

const blank: Photo = { width: 640, height: 480, pixels: new Uint8Array(640 * 480 * 3).fill(90), sha256: '' };

/** The same faces, in the same order, to within what the order of additions in another size of run makes. */
function expectSame(given: readonly EmbeddedFace[], expected: readonly EmbeddedFace[]): void {
  expect(given).toHaveLength(expected.length);
  for (const [i, { embedding, ...face }] of given.entries()) {
    const { embedding: reference, ...about } = expected[i]!;
    expect(face).toEqual(about);
    expect(cosineDistance(embedding.values, reference.values)).toBeLessThanOrEqual(1e-6);
  }
}

async function oneByOne(engine: FaceEngine, photos: readonly Photo[]): Promise<EmbeddedFace[][]> {
  const results: EmbeddedFace[][] = [];
  for (const photo of photos) results.push(await engine.embed(photo));
  return results;
}

describe('the bundled engine with a batch of 4', () => {
  let photos: Photo[];
  let expected: EmbeddedFace[][];
  let engine: FaceEngine;
  beforeAll(async () => {
    const samples = await Promise.all([1, 2, 3, 4, 5, 6].map(async (i) => decodePhoto(await readFile(samplePhoto(i)))));
    photos = samples.toSpliced(3, 0, blank);
    await using plain = await openBundledEngine({ workers: 1 });
    expected = await oneByOne(plain, photos);
    engine = await openBundledEngine({ workers: 1, queue: 6, batch: 4, facesPerRun: 32 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it('embeds photos that wait together, as it does one by one', async () => {
    expect(expected.map((faces) => faces.length > 0)).toEqual([true, true, true, false, true, true, true]);
    const loads: FaceEngine['load'][] = [];
    const results = await Promise.all(
      photos.map(async (photo) => {
        const faces = await engine.embed(photo);
        loads.push(engine.load);
        return faces;
      }),
    );
    for (const [i, faces] of results.entries()) expectSame(faces, expected[i]!);
    // The first had the worker to itself; then four went together, the one without a face among them; then two.
    const [first, ...rest] = loads;
    expect(first).toEqual({ workers: 1, running: 4, waiting: 2 });
    expect(rest.map(({ running, waiting }) => [running, waiting])).toEqual([
      ...Array.from({ length: 4 }, () => [2, 0]),
      ...Array.from({ length: 2 }, () => [0, 0]),
    ]);
  });

  it("tells each photo's own times, and shares those of the common run by the faces", async () => {
    const told: Record<string, number>[] = [];
    const start = performance.now();
    const results = await Promise.all(
      photos.slice(0, 5).map((photo) => engine.embed(photo, { onStages: (stages) => told.push({ ...stages }) })),
    );
    const wall = performance.now() - start;
    for (const stages of told) expect(Object.keys(stages)).toEqual(['detect', 'landmarks', 'embed']);
    const [, ...together] = told.map(({ embed }, i) => ({ embed: embed!, faces: results[i]!.length }));
    expect(together[2]).toEqual({ embed: 0, faces: 0 });
    const perFace = together.filter(({ faces }) => faces > 0).map(({ embed, faces }) => embed / faces);
    expect(Math.max(...perFace) - Math.min(...perFace)).toBeLessThan(1e-6);
    expect(told.flatMap((stages) => Object.values(stages)).reduce((sum, each) => sum + each, 0)).toBeLessThan(wall);
  });

  it('takes an aborted photo off the queue, refuses one too many, and computes the others', async () => {
    const leaving = new AbortController();
    const calls = photos.map((photo, i) => engine.embed(photo, i === 2 ? { signal: leaving.signal } : {}));
    expect(engine.load).toMatchObject({ running: 1, waiting: 6 });
    await expect(engine.embed(photos[0]!)).rejects.toMatchObject({ code: 'inference-busy' });
    leaving.abort();
    expect(engine.load).toMatchObject({ running: 1, waiting: 5 });
    const outcomes = await Promise.allSettled(calls);
    for (const [i, outcome] of outcomes.entries())
      if (outcome.status === 'fulfilled') expectSame(outcome.value, expected[i]!);
      else expect([i, outcome.reason]).toMatchObject([2, { name: 'AbortError' }]);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  });

  it('finds faces for one caller while it embeds for others', async () => {
    const [, detected, embedded] = await Promise.all([
      engine.embed(photos[0]!),
      engine.detect(photos[1]!),
      engine.embed(photos[2]!),
    ]);
    expect(detected).toEqual(expected[1]!.map(({ embedding: _, ...face }) => face));
    expectSame(embedded, expected[2]!);
  });

  it('says how many photos keep its workers and the next batch full', async () => {
    expect(engine.photosAtOnce).toBe(8);
    await using plain = await openBundledEngine({ workers: 2 });
    expect(plain.photosAtOnce).toBe(3);
  });
});

describe('the InsightFace engine with a batch of 4', () => {
  it('embeds photos that wait together, as it does one by one', async () => {
    const models = await mkdtemp(path.join(tmpdir(), 'kith-pack-'));
    try {
      await writeTinyPack(models);
      const pack = insightFacePack('buffalo_l')!;
      const photos = [1, 3, 0, 2, 5].map(marked);
      await using plain = await openInsightFaceEngine(pack, { models: [models], workers: 1, facesPerRun: 1 });
      const expected = await oneByOne(plain, photos);
      expect(expected.map((faces) => faces.length)).toEqual([1, 3, 0, 2, 5]);
      await using engine = await openInsightFaceEngine(pack, { models: [models], workers: 1, batch: 4 });
      const results = await Promise.all(photos.map((photo) => engine.embed(photo)));
      for (const [i, faces] of results.entries()) expectSame(faces, expected[i]!);
    } finally {
      await rm(models, { recursive: true });
    }
  });
});

/** Squares of pure colour, which the tiny detector takes for faces, on a ground that differs from photo to photo. */
function marked(faces: number): Photo {
  const pixels = Uint8Array.from({ length: 640 * 640 * 3 }, (_, at) => (at * (31 + faces)) % 97);
  for (let i = 0; i < faces; i++)
    for (let y = 208; y < 224; y++) for (let x = 48 + 96 * i; x < 64 + 96 * i; x++) pixels[(y * 640 + x) * 3 + 1] = 255;
  return { width: 640, height: 640, pixels, sha256: '' };
}
