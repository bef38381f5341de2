import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KithError } from '#kith/errors.js';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import type { Recognition } from '#kith/recognition/recognition.js';
import { writeDomain } from '../support/domain-folder.js';
import { ARCFACE, vectorOf } from '../support/embeddings.js';
import { makeWorkplace, portrait, samplePhoto, type Workplace } from '../support/recognition.js';

/** Photos against a datastore that the bundled engine's own embeddings fill: mode pkl, with the database down. */
describe('photos, without a database', () => {
  let place: Workplace;
  let recognition: Recognition;
  const domain = 'album';

  beforeAll(async () => {
    place = await makeWorkplace();
    recognition = place.open(
      { kind: 'embedded', folder: place.data },
      {
        gallery: () => Promise.reject(new KithError('database-unreachable', { address: 'nowhere', why: 'it is down' })),
        openEngine: async (space) => {
          if (space.model !== 'faceapi') throw new KithError('inference-closed', {});
          return openBundledEngine({ workers: 1 });
        },
      },
    );
    const rows = [];
    for (const number of [1, 2, 3] as const) {
      const { space, faces } = await recognition.embed(await portrait(number));
      const identity = `${domain}/Person ${number}/1.jpg`;
      rows.push({ identity, hash: String(number), embedding: [...faces[0]!.embedding!], box: null });
      if (number === 3) await writeDomain(place.storage, domain, rows, `ds_${space}.pkl`);
    }
  });
  afterAll(async () => {
    await recognition[Symbol.asyncDispose]();
    await place.remove();
  });

  it('every face of a photo is answered, in mode pkl', async () => {
    const answer = await recognition.identify(await readFile(samplePhoto(1)), { domain, topK: 1 });
    expect(answer).toMatchObject({ domain, mode: 'pkl', image: { width: 1920, height: 1280 } });
    expect(answer.faces).toHaveLength(3);
    const known = answer.faces.filter(({ candidates }) => candidates[0]?.person.name === 'Person 1');
    expect(known).toHaveLength(1);
    expect(known[0]).toMatchObject({ verdict: 'known', candidates: [{ person: { id: 'Person 1' }, faceNumber: 1 }] });
    expect(known[0]!.candidates[0]!.similarity).toBeCloseTo(1 - known[0]!.candidates[0]!.distance, 12);
    expect(Object.keys(answer.timings)).toEqual(['decode', 'faces', 'search', 'total']);
  });

  it('a photo without a face is an empty list', async () => {
    const wall = await sharp({ create: { width: 200, height: 200, channels: 3, background: '#777' } })
      .png()
      .toBuffer();
    expect((await recognition.identify(wall, { domain })).faces).toEqual([]);
    await expect(recognition.verify(wall, await portrait(1))).rejects.toMatchObject({
      code: 'face-none',
      message: expect.stringContaining('first'),
    });
    await expect(recognition.verify(await portrait(1), wall)).rejects.toMatchObject({
      message: expect.stringContaining('second'),
    });
  });

  it('two photos are the same person or not, by the largest face of each', async () => {
    const again = await sharp(await portrait(1))
      .modulate({ brightness: 1.15 })
      .jpeg({ quality: 70 })
      .toBuffer();
    const same = await recognition.verify(await portrait(1), again);
    expect(same.verdict).toBe('same');
    expect(same.distance).toBeLessThanOrEqual(same.threshold);
    const different = await recognition.verify(await portrait(1), await portrait(2));
    expect(different).toMatchObject({ verdict: 'different', faces: [{ of: 1 }, { of: 1 }] });
    const several = await recognition.verify(await readFile(samplePhoto(1)), await portrait(1));
    const boxes = (await recognition.detect(await readFile(samplePhoto(1)))).faces.map(({ box }) => box);
    const largest = boxes.toSorted((a, b) => b.width * b.height - a.width * a.height)[0];
    expect(several.faces[0]).toMatchObject({ of: 3, box: largest });
  });

  it('refuses what it cannot answer, each with its own code', async () => {
    const photo = await portrait(1);
    await expect(recognition.identify(photo, { domain: 'nobody' })).rejects.toMatchObject({
      code: 'database-unreachable',
    });
    await expect(recognition.identify(Buffer.from('text'), { domain })).rejects.toMatchObject({
      code: expect.stringMatching(/^photo-/),
    });
    await expect(recognition.identify(photo, { domain, topK: 0 })).rejects.toMatchObject({ code: 'top-k-value' });
    await expect(recognition.identify(photo, { domain, threshold: -1 })).rejects.toMatchObject({
      code: 'threshold-value',
    });
    await expect(recognition.search(vectorOf(127, 1), { domain })).rejects.toMatchObject({
      code: 'embedding-dimension',
    });
    await expect(recognition.search(vectorOf(128), { domain })).rejects.toMatchObject({ code: 'embedding-zero-norm' });
    await expect(recognition.embed(photo, { space: ARCFACE })).rejects.toMatchObject({ code: 'inference-closed' });
  });

  it('counts a domain that only its datastore has', async () => {
    const { domains } = await recognition.stats();
    expect(domains).toEqual([
      { domain, mode: 'pkl', space: expect.stringContaining('faceapi'), persons: 3, faces: 3, facesPerPerson: 1 },
    ]);
  });
});
