import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distance } from '#kith/embedding/distance.js';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import type { FaceEngine } from '#kith/inference/engine.js';
import { detectFile, embedFile } from '#kith/inference/photo-faces.js';
import { decodePhoto, decodeReducedPhoto } from '#kith/photo/photo.js';

const sample = await readFile(new URL('../../node_modules/@vladmandic/face-api/demo/sample5.jpg', import.meta.url));
/** The photo of five faces as a phone would store it: 4000 pixels wide, lying on its side with a tag that says so. */
const phone = await sharp(sample)
  .resize({ width: 4001 })
  .rotate(270)
  .withMetadata({ orientation: 6 })
  .jpeg({ quality: 92 })
  .toBuffer();

describe('a photo decoded at a reduced scale', () => {
  it('is a half, a quarter or an eighth, upright, and never below what is enough', async () => {
    const whole = await decodePhoto(phone);
    expect([whole.width, whole.height]).toEqual([4001, 2913]);
    for (const [enough, width, height] of [
      [4001, 4001, 2913],
      [2001, 4001, 2913],
      [2000, 2001, 1457],
      [1000, 1001, 729],
      [500, 501, 365],
      [10, 501, 365],
    ] as const) {
      const reduced = await decodeReducedPhoto(phone, enough);
      expect(reduced).toMatchObject({ width: 4001, height: 2913, photo: { width, height, sha256: whole.sha256 } });
      expect(reduced.photo.pixels.length).toBe(width * height * 3);
    }
  });

  it('is whole where the format cannot be reduced', async () => {
    const png = await sharp(sample).png().toBuffer();
    expect((await decodeReducedPhoto(png, 100)).photo.width).toBe(1920);
  });
});

describe('the faces of a file', () => {
  let engine: FaceEngine;
  beforeAll(async () => {
    engine = await openBundledEngine({ workers: 1 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it('lie in the pixels of the photo, whatever scale it was decoded at', async () => {
    const whole = await engine.embed(await decodePhoto(phone));
    const { width, height, faces } = await embedFile(engine, phone);
    expect([width, height]).toEqual([4001, 2913]);
    expect(faces).toHaveLength(whole.length);
    for (const [i, face] of faces.entries()) {
      const other = whole[i]!;
      expect(face.quality.size).toBeGreaterThan(300);
      for (const side of ['x', 'y', 'width', 'height'] as const)
        expect(Math.abs(face.box[side] - other.box[side])).toBeLessThan(12);
      expect(Math.abs(face.landmarks[30]![0] - other.landmarks[30]![0])).toBeLessThan(12);
      expect(distance(face.embedding, other.embedding)).toBeLessThan(0.01);
    }
    expect(faces.map((face) => face.embedding.values[0])).not.toEqual(whole.map((face) => face.embedding.values[0]));
    const detected = await detectFile(engine, phone);
    expect(detected.faces.map((face) => face.box)).toEqual(faces.map((face) => face.box));
  });

  it('are embedded from the whole photo where a face of the reduced one has too few pixels', async () => {
    const crowd = await sharp({ create: { width: 4000, height: 3000, channels: 3, background: '#777' } })
      .composite([{ input: await sharp(sample).resize({ width: 1500 }).toBuffer(), left: 300, top: 500 }])
      .jpeg()
      .toBuffer();
    const { faces } = await embedFile(engine, crowd);
    const whole = await engine.embed(await decodePhoto(crowd));
    expect(faces.length).toBeGreaterThan(2);
    expect(faces).toEqual(whole);
  });

  it('of a photo that is not large are those of the photo as it is', async () => {
    const photo = await decodePhoto(sample);
    expect(await embedFile(engine, sample)).toMatchObject({
      width: photo.width,
      height: photo.height,
      sha256: photo.sha256,
      faces: await engine.embed(photo),
    });
  });

  it('are those of the whole photo for an engine that asks for it', async () => {
    const { view: _, ...rest } = { view: engine.view, space: engine.space, load: engine.load };
    const plain: FaceEngine = {
      ...rest,
      view: null,
      photosAtOnce: 1,
      detect: (...args) => engine.detect(...args),
      embed: (...args) => engine.embed(...args),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const whole = await engine.embed(await decodePhoto(phone));
    expect((await embedFile(plain, phone)).faces).toEqual(whole);
  });

  it('pass faults and aborts on', async () => {
    await expect(embedFile(engine, Buffer.from('no photo'))).rejects.toMatchObject({ code: 'photo-not-an-image' });
    await expect(embedFile(engine, phone, { maxPixels: 1000 })).rejects.toMatchObject({
      code: 'photo-too-many-pixels',
    });
    await expect(embedFile(engine, sample, {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});
