import { beforeAll, expect, it } from 'vitest';
import { KithError } from '#kith/errors.js';
import type { Gallery } from '#kith/gallery/gallery.js';
import { eachBackend } from '../support/database.js';
import { ARCFACE, FACENET, inSpace, VGG, vectorOf } from '../support/embeddings.js';

const at = (...leading: number[]) => inSpace(ARCFACE, vectorOf(512, ...leading));

async function code(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof KithError ? error.code : String(error);
}

eachBackend('gallery', (backend) => {
  let gallery: Gallery;

  beforeAll(async () => {
    gallery = await backend.gallery();
    const ana = await gallery.addPerson({ name: 'Ana', domain: 'slovenia', wikidataId: 'Q1' });
    const bor = await gallery.addPerson({ name: 'Bor', domain: 'slovenia' });
    await gallery.addEmbedding({ personId: ana.id, imagePath: 'a/1.jpg', embedding: at(1) });
    await gallery.addEmbedding({ personId: ana.id, imagePath: 'a/2.jpg', embedding: at(1, 0.2) });
    await gallery.addEmbedding({
      personId: bor.id,
      imagePath: 'a/1.jpg',
      faceNumber: 2,
      embedding: at(0, 1),
      box: { x: 1, y: 2, width: 30, height: 40 },
      landmarks: [
        [1, 2],
        [3.5, 4],
      ],
      confidence: 0.5,
      imageSha256: 'ab'.repeat(32),
      flags: ['whole-image'],
    });
  });

  it('answers distinct persons, nearest first, each with its best face', async () => {
    const found = await gallery.findMatches(at(1, 0.1), 'slovenia', { threshold: 2 });
    expect(found.map(({ person }) => person.name)).toEqual(['Ana', 'Bor']);
    expect(found[0]).toMatchObject({ imagePath: 'a/2.jpg', faceNumber: 1 });
    expect(found[1]).toMatchObject({ imagePath: 'a/1.jpg', faceNumber: 2 });
    expect(found[0]!.similarity).toBeCloseTo(1 - found[0]!.distance, 12);
    expect(found[0]!.confidence).toBeGreaterThan(51);
  });

  it("uses the call's threshold, else the domain's, else DeepFace's for the space", async () => {
    const probe = at(1, 0.1);
    const search = (options = {}) => gallery.search(probe, 'slovenia', options);
    expect((await search()).threshold).toBe(0.68);
    await gallery.setDomain('slovenia', { threshold: 0.35 }, { who: 'test', why: 'tighter' });
    expect((await search()).threshold).toBe(0.35);
    expect((await search({ threshold: 0.1 })).threshold).toBe(0.1);
    expect((await search({ threshold: 0.001 })).candidates).toEqual([]);
    await gallery.setDomain('slovenia', { threshold: null }, { who: 'test' });
  });

  it('leaves an image out', async () => {
    const found = await gallery.findMatches(at(1), 'slovenia', { threshold: 2, excludeImage: 'a/1.jpg' });
    expect(found.map(({ imagePath }) => imagePath)).toEqual(['a/2.jpg']);
  });

  it('answers the best match alone, or null', async () => {
    expect((await gallery.findBestMatch(at(0, 1), 'slovenia'))?.person.name).toBe('Bor');
    expect(await gallery.findBestMatch(at(0, 0, 1), 'slovenia')).toBeNull();
  });

  it('updates what is given of a person and keeps the rest', async () => {
    const again = await gallery.addPerson({ name: 'Ana', domain: 'slovenia', occupation: 'actress' });
    expect(again).toMatchObject({ wikidataId: 'Q1', occupation: 'actress' });
    const same = await gallery.addPerson({ name: 'Ana', domain: 'slovenia', occupation: 'actress' });
    expect(same).toEqual(again);
    expect(Math.abs(again.createdAt.getTime() - Date.now())).toBeLessThan(600_000);
  });

  it('keeps what is known of a face', async () => {
    const bor = await gallery.findPerson('Bor', 'slovenia');
    const { items, next } = await gallery.faces(bor!.id);
    expect(next).toBeNull();
    expect(items[0]).toMatchObject({
      domain: 'slovenia',
      imagePath: 'a/1.jpg',
      faceNumber: 2,
      box: { x: 1, y: 2, width: 30, height: 40 },
      landmarks: [
        [1, 2],
        [3.5, 4],
      ],
      confidence: 0.5,
      imageSha256: 'ab'.repeat(32),
      flags: ['whole-image'],
      legacyHash: null,
    });
  });

  it('pages through persons', async () => {
    const first = await gallery.persons('slovenia', { limit: 1 });
    const second = await gallery.persons('slovenia', { limit: 1, after: first.next! });
    expect([first.items[0]!.name, second.items[0]!.name, second.next]).toEqual(['Ana', 'Bor', null]);
    expect(await code(gallery.persons('nowhere'))).toBe('domain-unknown');
    expect(await code(gallery.persons('slovenia', { after: 'x; drop' }))).toBe('gallery-option');
    // A key, but of another type than this table's.
    const other = '00000000-0000-0000-0000-000000000000';
    expect(await code(gallery.persons('slovenia', { after: other }))).toBe('gallery-option');
    expect(await code(gallery.faces(first.items[0]!.id, { after: other }))).toBe('gallery-option');
    expect(await gallery.deletePerson(other)).toBe(false);
    expect(await gallery.deleteFace('slovenia', other)).toBe(false);
  });

  it('renames and deletes persons with their faces', async () => {
    const temporary = await gallery.addPerson({ name: 'Temporary', domain: 'slovenia' });
    await gallery.addEmbedding({ personId: temporary.id, imagePath: 't.jpg', embedding: at(0, 0, 0, 1) });
    expect(await code(gallery.renamePerson(temporary.id, 'Ana'))).toBe('person-exists');
    expect((await gallery.renamePerson(temporary.id, 'Passing')).name).toBe('Passing');
    expect((await gallery.findBestMatch(at(0, 0, 0, 1), 'slovenia'))?.person.name).toBe('Passing');
    expect(await gallery.deletePerson(temporary.id)).toBe(true);
    expect(await gallery.deletePerson(temporary.id)).toBe(false);
    expect(await gallery.findBestMatch(at(0, 0, 0, 1), 'slovenia')).toBeNull();
    expect(await code(gallery.person(temporary.id))).toBe('person-unknown');
    expect(await code(gallery.person('99999999999999999'))).toBe('person-unknown');
  });

  it('keeps every space in a table of its own, and compares nothing across them', async () => {
    const lea = await gallery.addPerson({ name: 'Lea', domain: 'small' });
    const face = inSpace(FACENET, vectorOf(128, 1));
    await gallery.addEmbedding({ personId: lea.id, imagePath: 'l.jpg', embedding: face });
    expect((await gallery.findBestMatch(face, 'small'))?.person.name).toBe('Lea');
    expect((await gallery.domain('small')).stored).toMatchObject({ dimensions: 128, space: { model: 'facenet' } });
    expect(await code(gallery.findMatches(face, 'slovenia'))).toBe('space-mismatch');
    expect(await code(gallery.findMatches(at(1), 'small'))).toBe('space-mismatch');
    expect(await code(gallery.findMatches(vectorOf(512, 1), 'small'))).toBe('embedding-dimension');
    expect(await code(gallery.addEmbedding({ personId: lea.id, imagePath: 'x', embedding: at(1) }))).toBe(
      'domain-space',
    );
  });

  it('searches vectors that no index takes', async () => {
    const vid = await gallery.addPerson({ name: 'Vid', domain: 'long' });
    const face = inSpace(VGG, vectorOf(4096, 1, 1));
    await gallery.addEmbedding({ personId: vid.id, imagePath: 'v.jpg', embedding: face });
    const { candidates, plan } = await gallery.search(face, 'long');
    expect(candidates[0]?.person.name).toBe('Vid');
    expect(plan).toEqual({ kind: 'exact' });
  });

  it('refuses vectors and options that make no sense', async () => {
    const search = (probe: Float32Array, options = {}) => code(gallery.findMatches(probe, 'slovenia', options));
    expect(await search(vectorOf(512))).toBe('embedding-zero-norm');
    expect(await search(vectorOf(512, Number.NaN))).toBe('embedding-not-finite');
    expect(await search(vectorOf(512, 1), { topK: 0 })).toBe('gallery-option');
    expect(await search(vectorOf(512, 1), { threshold: -1 })).toBe('gallery-option');
    expect(await code(gallery.findMatches(vectorOf(512, 1), 'nowhere'))).toBe('domain-unknown');
    expect(await code(gallery.addPerson({ name: 'x', domain: '../x' }))).toBe('domain-name');
  });

  it('counts persons and faces', async () => {
    const { domains } = await gallery.getStats({ domain: 'slovenia' });
    expect(domains).toEqual([
      {
        domain: 'slovenia',
        mode: 'pgvector',
        space: 'model_arcface_detector_retinaface_aligned_normalization_base_expand_0',
        persons: 2,
        faces: 3,
        facesPerPerson: 1.5,
      },
    ]);
    expect((await gallery.getStats()).domains.map(({ domain }) => domain)).toEqual(['long', 'slovenia', 'small']);
  });

  it('is healthy', async () => {
    expect(await gallery.healthCheck()).toMatchObject({ ok: true, database: { ok: true, kind: backend.kind } });
  });

  it('does all of a transaction or nothing, and sees inside what it did', async () => {
    const failed = gallery.transaction(async (inside) => {
      const eva = await inside.addPerson({ name: 'Eva', domain: 'new' });
      await inside.addEmbedding({ personId: eva.id, imagePath: 'e.jpg', embedding: at(0, 0, 1) });
      expect((await inside.findBestMatch(at(0, 0, 1), 'new'))?.person.name).toBe('Eva');
      throw new Error('changed my mind');
    });
    await expect(failed).rejects.toThrow('changed my mind');
    expect(await code(gallery.findMatches(at(0, 0, 1), 'new'))).toBe('domain-unknown');
  });

  it('gives a search up when its signal fires', async () => {
    const stop = AbortSignal.abort();
    await expect(gallery.findMatches(at(1), 'slovenia', { signal: stop })).rejects.toThrow(/abort/i);
    const late = new AbortController();
    const waiting = gallery.database.query(
      { text: 'select count(*) from generate_series(1, 30000000)' },
      { signal: late.signal },
    );
    setTimeout(() => late.abort(), 20);
    await expect(waiting).rejects.toThrow(/abort/i);
    expect((await gallery.findMatches(at(1), 'slovenia')).length).toBe(1);
  });
});
