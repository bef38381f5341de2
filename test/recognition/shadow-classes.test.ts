import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import type { Recognition } from '#kith/recognition/recognition.js';
import { compareAnswers } from '#kith/recognition/shadow-classify.js';
import { type Backend, eachBackend, type TestDatabase } from '../support/database.js';
import { makeRows } from '../support/domain-folder.js';
import { migratedDomain, type Row, validator, vectorOfRow } from '../support/dual-domain.js';
import { ARCFACE, inSpace, nearby, randomVector, seeded } from '../support/embeddings.js';
import { makeWorkplace, type Workplace } from '../support/recognition.js';

const AUTHOR = { who: 'test', why: 'test' };

/** A fault of each class is planted in the database, and the next comparison is of that class. */
eachBackend('classes of difference', (backend: Backend) => {
  let place: Workplace;
  let database: TestDatabase;
  let gallery: Gallery;
  let recognition: Recognition;
  let rows: Row[];
  let domain = '';
  let count = 0;

  beforeAll(async () => {
    place = await makeWorkplace();
    database = await backend.fresh();
    gallery = await openGallery({ location: database.location });
    recognition = place.open(database.location, { validate: validator(place.storage) });
  });
  afterAll(async () => {
    await recognition[Symbol.asyncDispose]();
    await gallery.close();
    await place.remove();
  });
  beforeEach(async () => {
    domain = `d${++count}`;
    rows = makeRows(domain, { rows: 40, persons: 10, seed: count });
  });

  const migrated = () => migratedDomain(database.location, place.storage, domain, rows);
  const search = (values: Float32Array, threshold?: number) => recognition.search(values, { domain, threshold });
  const report = () => recognition.shadow.report(domain);
  const sql = (text: string, ...values: (string | number)[]) => gallery.database.query({ text, values });

  it('nothing is planted: no difference', async () => {
    await migrated();
    for (const row of rows) expect((await search(vectorOfRow(row))).mode).toBe('dual');
    const found = await report();
    // Searches follow each other faster than comparisons may be under way: what was too many is counted.
    expect(found.comparisons + found.dropped).toBe(40);
    expect(found).toMatchObject({
      agreement: 1,
      differences: {},
      coverage: { datastore: 10, gallery: 10, missing: [] },
      validated: { ok: 40, missing: 0, extra: 0, different: 0 },
      verdict: 'not ready',
    });
    expect(found.reasons[0]).toBe(`${found.comparisons} comparisons where at least 1000 are needed`);
    expect(found.reasons[1]).toMatch(/^agreement is only sure to be at least/);
  });

  it('missing-row: a face that was not migrated', async () => {
    await migrated();
    await sql('delete from face_embeddings where image_path = $1', rows[3]!.identity!);
    const answer = await search(vectorOfRow(rows[3]));
    expect(answer.candidates[0]?.imagePath).toBe(rows[3]!.identity); // the caller has the datastore's answer
    const found = await report();
    expect(found.differences).toEqual({ 'missing-row': 1 });
    expect(found.examples['missing-row']?.[0]?.detail).toContain(rows[3]!.identity!);
    expect(found.validated).toMatchObject({ missing: 1 });
  });

  it('missing-row: a person who was not migrated is not covered', async () => {
    await migrated();
    await sql('delete from persons where domain = $1 and name = $2', domain, 'Oseba Št. 3');
    await search(vectorOfRow(rows[3]));
    expect(await report()).toMatchObject({
      agreement: 0,
      differences: { 'missing-row': 1 },
      coverage: { datastore: 10, gallery: 9, missing: ['Oseba Št. 3'] },
    });
  });

  it('stale-row: another vector under the same image', async () => {
    await migrated();
    const other = `(select embedding from face_embeddings where image_path = $2)`;
    await sql(
      `update face_embeddings set embedding = ${other} where image_path = $1`,
      rows[5]!.identity!,
      rows[6]!.identity!,
    );
    await search(vectorOfRow(rows[5]));
    expect((await report()).differences).toEqual({ 'stale-row': 1 });
  });

  it('stale-row: a face that only the gallery has', async () => {
    await migrated();
    const { normal } = seeded(7);
    const person = await gallery.addPerson({ name: 'New', domain });
    const near = nearby(vectorOfRow(rows[0]), 0.01, normal);
    await gallery.addEmbedding({
      personId: person.id,
      imagePath: `${domain}/New/1.jpg`,
      embedding: inSpace(ARCFACE, near),
    });
    await search(near);
    expect(await report()).toMatchObject({ agreement: 0, differences: { 'stale-row': 1 } });
  });

  it('a person who was renamed in the gallery is the same person', async () => {
    await migrated();
    const person = await gallery.findPerson('Oseba Št. 2', domain);
    await gallery.renamePerson(person!.id, 'Renamed');
    await search(vectorOfRow(rows[2]));
    expect(await report()).toMatchObject({ agreement: 1, differences: {} });
  });

  it('tie: two persons at one distance, in another order', async () => {
    // The datastore lists rows of equal distance in its order, the gallery by path: row 9 before row 10 before row 2.
    rows[9]!.embedding = rows[2]!.embedding;
    rows[9]!.identity = rows[2]!.identity!.replace('Št. 2', 'Št. 9').replace('/2.jpg', '/1.jpg');
    rows[2]!.identity = rows[2]!.identity!.replace('/2.jpg', '/9.jpg').replace('Št. 2', 'Št. 99');
    await migrated();
    const { candidates } = await search(vectorOfRow(rows[2]));
    expect(candidates[0]!.distance).toBe(candidates[1]!.distance);
    expect(await report()).toMatchObject({ agreement: 1, differences: { tie: 1 } });
  });

  it('threshold-edge: a distance on different sides of the threshold', async () => {
    await migrated();
    const { normal } = seeded(11);
    // The two sides sum in another order, so distances differ in their last digits: a threshold between such a pair.
    for (let attempt = 0; attempt < 200; attempt++) {
      const probe = nearby(vectorOfRow(rows[0]), 0.3, normal);
      const ours = (await search(probe)).candidates[0]!.distance;
      const theirs = (await gallery.findMatches(probe, domain))[0]!.distance;
      if (ours === theirs) continue;
      await recognition.shadow.reset(domain, AUTHOR);
      await search(probe, (ours + theirs) / 2);
      break;
    }
    expect(await report()).toMatchObject({ comparisons: 1, agreement: 0, differences: { 'threshold-edge': 1 } });
  });

  it('error: the gallery fails, and the caller notices nothing', async () => {
    await migrated();
    await search(vectorOfRow(rows[0]));
    expect((await report()).comparisons).toBe(1);
    await sql('alter table face_embeddings rename to elsewhere');
    try {
      const { candidates } = await search(vectorOfRow(rows[1]));
      expect(candidates[0]?.imagePath).toBe(rows[1]!.identity);
      await new Promise((resolve) => setTimeout(resolve, 500));
    } finally {
      await sql('alter table elsewhere rename to face_embeddings');
    }
    const found = await report();
    expect(found).toMatchObject({ comparisons: 2, agreement: 0.5, differences: { error: 1 } });
    expect(found.examples.error?.[0]).toMatchObject({ gallery: null, detail: 'gallery: database-fault' });
  });

  it('channel-order: the gallery was embedded in the other order', async () => {
    await migrated();
    // What another channel order does to vectors, for want of weights: one fixed rotation for every face.
    const turn = (values: Float32Array) => Float32Array.from(values, (_, index) => values[(index + 256) % 512]!);
    for (const row of rows)
      await gallery.database.query({
        text: 'update face_embeddings set embedding = $2::vector where image_path = $1',
        values: [row.identity!, turn(vectorOfRow(row))],
      });
    const probe = inSpace(ARCFACE, nearby(vectorOfRow(rows[4]), 0.1, seeded(3).normal));
    const comparison = await compareAnswers(
      {
        probe,
        threshold: 0.68,
        topK: 5,
        datastore: { ok: true, ms: 1, candidates: (await search(probe.values)).candidates },
        gallery: { ok: true, ms: 1, candidates: await gallery.findMatches(probe, domain) },
      },
      {
        galleryFace: async (path) => {
          const row = rows.find(({ identity }) => identity === path);
          return row === undefined ? null : { person: 'Oseba Št. 4', values: turn(vectorOfRow(row)) };
        },
        galleryExact: () => gallery.findMatches(probe, domain, { exact: true }),
        otherOrder: async () => inSpace(ARCFACE, turn(probe.values)),
      },
    );
    expect(comparison).toMatchObject({ agreed: false, class: 'channel-order' });
    // Without an engine that computes the other order, the same rows read as stale.
    expect((await report()).differences).toEqual({ 'stale-row': 1 });
  });

  describe('ann-miss', () => {
    it('the index misses a face that an exact scan finds', async () => {
      const { normal } = seeded(42);
      rows = makeRows(domain, { rows: 1500, persons: 1500, seed: 5 });
      for (const row of rows) row.embedding = randomVector(512, normal);
      await migrated();
      await gallery.setDomain(domain, { efSearch: 1, threshold: 2 }, AUTHOR);
      // An index with so few edges loses its way.
      await sql('drop index face_embeddings_embedding_idx');
      await sql(
        `create index face_embeddings_embedding_idx on face_embeddings
           using hnsw (embedding vector_cosine_ops) with (m = 2, ef_construction = 4)`,
      );
      await sql('analyze face_embeddings');
      const { comparisons, differences } = await recognition.shadow.replay({ domain, limit: 100 });
      expect(comparisons).toBe(100);
      expect(differences['ann-miss']).toBeGreaterThan(0);
      expect(Object.keys(differences)).toEqual(['ann-miss']);
    });
  });
});
