import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { migrate } from '#kith/migration/migrate.js';
import { eachBackend, type TestDatabase } from '../support/database.js';
import { makeRows, temporaryStorage, writeDomain } from '../support/domain-folder.js';
import { ARCFACE, FACENET, inSpace, vectorOf } from '../support/embeddings.js';
import { kith } from '../support/kith.js';

const AUTHOR = { who: 'test', why: 'one person, spelled twice' };

eachBackend('merging persons', (backend) => {
  const storage = temporaryStorage();
  let database: TestDatabase;
  let gallery: Gallery;
  let domain: string;
  let nth = 0;
  beforeAll(async () => {
    database = await backend.fresh();
    gallery = await openGallery({ location: database.location });
  });
  afterAll(() => gallery.close());
  beforeEach(() => {
    domain = `d${++nth}`;
  });

  const face = async (personId: string, imagePath: string, ...leading: number[]) =>
    gallery.addEmbedding({
      personId,
      imagePath: `${domain}/${imagePath}`,
      embedding: inSpace(ARCFACE, vectorOf(512, ...leading)),
    });
  /** Ana with a face, and Anna, who has two and of whom more is known. */
  async function two(): Promise<{ ana: string; anna: string }> {
    const ana = await gallery.addPerson({ name: 'Ana', domain, occupation: 'poet' });
    const anna = await gallery.addPerson({ name: 'Anna', domain, occupation: 'judge', wikidataId: 'Q1' });
    await face(ana.id, 'Ana/1.jpg', 1);
    await face(anna.id, 'Anna/1.jpg', 0, 1);
    await face(anna.id, 'Anna/2.jpg', 0, 1, 0.1);
    return { ana: ana.id, anna: anna.id };
  }
  const all = async () => {
    const { items } = await gallery.persons(domain);
    const faces = await Promise.all(items.map(async ({ id }) => (await gallery.faces(id)).items.length));
    return Object.fromEntries(items.map(({ name }, index) => [name, faces[index]]));
  };
  const audit = async () => (await gallery.audit({ domain })).items;

  it('moves the faces, keeps what was known, deletes the emptied person, and writes down who and why', async () => {
    const { ana, anna } = await two();
    const report = await gallery.mergePersons(anna, ana, AUTHOR);
    expect(report).toMatchObject({
      faces: 2,
      person: { id: ana, name: 'Ana', domain, occupation: 'poet', wikidataId: 'Q1' },
      merged: { id: anna, name: 'Anna' },
    });
    expect(await all()).toEqual({ Ana: 3 });
    const probe = inSpace(ARCFACE, vectorOf(512, 0, 1));
    expect(await gallery.findMatches(probe, domain)).toMatchObject([{ person: { id: ana, name: 'Ana' } }]);
    await expect(gallery.person(anna)).rejects.toMatchObject({ code: 'person-unknown' });
    expect(await audit()).toMatchObject([
      {
        action: 'person-merge',
        ...AUTHOR,
        details: {
          from: { id: anna, name: 'Anna', occupation: 'judge', wikidataId: 'Q1' },
          into: { id: ana, name: 'Ana' },
          faces: 2,
        },
      },
    ]);
  });

  it('moves the faces of every space', async () => {
    const { ana, anna } = await two();
    const { table } = await gallery.ensureSpace(FACENET);
    await gallery.database.query({
      text: `insert into ${table} (person_id, image_path, embedding) values ($1, $2, $3::vector)`,
      values: [anna, `${domain}/Anna/3.jpg`, vectorOf(128, 1)],
    });
    expect(await gallery.mergePersons(anna, ana, AUTHOR)).toMatchObject({ faces: 3 });
    const { rows } = await gallery.database.query({
      text: `select person_id::text as person, domain from ${table} where image_path = $1`,
      values: [`${domain}/Anna/3.jpg`],
    });
    expect(rows).toEqual([{ person: ana, domain }]);
  });

  it('refuses a person with itself, persons of two domains, and whoever is not there', async () => {
    const { ana, anna } = await two();
    const abroad = await gallery.addPerson({ name: 'Ana', domain: `${domain}-abroad` });
    for (const [from, into, code] of [
      [ana, ana, 'person-merge-same'],
      [ana, abroad.id, 'person-merge-domains'],
      ['999999', ana, 'person-unknown'],
      [ana, 'Anna', 'person-unknown'],
    ] as const)
      await expect(gallery.mergePersons(from, into, AUTHOR)).rejects.toMatchObject({ code });
    expect(await all()).toEqual({ Ana: 1, Anna: 2 });
    expect(await audit()).toEqual([]);
    expect(anna).not.toBe(ana);
  });

  it('does all of it or nothing', async () => {
    const { ana, anna } = await two();
    await gallery.database.query({
      text: `alter table kith_audit add constraint planted check (domain <> '${domain}')`,
    });
    await expect(gallery.mergePersons(anna, ana, AUTHOR)).rejects.toThrow();
    await gallery.database.query({ text: 'alter table kith_audit drop constraint planted' });
    expect(await all()).toEqual({ Ana: 1, Anna: 2 });
  });

  it('leaves one of two who are merged both ways at once', async () => {
    const { ana, anna } = await two();
    const ends = await Promise.allSettled([
      gallery.mergePersons(anna, ana, AUTHOR),
      gallery.mergePersons(ana, anna, AUTHOR),
    ]);
    expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(ends.find((end) => end.status === 'rejected')?.reason).toMatchObject({ code: 'person-unknown' });
    expect(Object.values(await all())).toEqual([3]);
  });

  it('stays merged when a migration runs again, and loses no row of the datastore', async () => {
    const rows = makeRows(domain, { rows: 12, persons: 3, seed: nth });
    rows.push({ ...rows[1]!, identity: rows[1]!.identity!.replace('1.jpg', 'nobody.jpg'), embedding: null });
    await writeDomain(storage, domain, rows);
    await migrate(gallery, { storage, domains: [domain] });
    const kept = async () =>
      (
        await gallery.database.query({
          text: 'select count(*)::int as count from kith_datastore_rows where domain = $1',
          values: [domain],
        })
      ).rows;
    expect(await kept()).toEqual([{ count: 1 }]);
    const [into, from] = await Promise.all(
      ['Oseba Št. 0', 'Oseba Št. 1'].map((name) => gallery.findPerson(name, domain)),
    );
    await gallery.mergePersons(from!.id, into!.id, AUTHOR);
    expect(await kept()).toEqual([{ count: 1 }]);
    const [again] = await migrate(gallery, { storage, domains: [domain] });
    expect(again).toMatchObject({
      migrated: 0,
      unchanged: 12,
      validated: { ok: 12, missing: 0, extra: 0, different: 0 },
    });
    expect(await all()).toEqual({ 'Oseba Št. 0': 8, 'Oseba Št. 2': 4 });
  });

  // On the embedded database the command would go through this process, which owns it; the library is the same.
  if (backend.kind === 'postgres')
    it('kith person merge takes names or ids, and says what it did', async () => {
      const { ana, anna } = await two();
      const env = { VECTOR_DB_URL: database.url!, KITH_STORAGE: storage };
      const merge = (...args: string[]) => kith(['person', 'merge', ...args], { env });
      const same = await merge('Ana', ana, '--domain', domain, '--json');
      expect(same.code).toBe(2);
      expect(JSON.parse(same.stderr).error.code).toBe('person-merge-same');
      expect((await merge('Ana', 'Nobody', '--domain', domain)).code).toBe(1);
      const done = await merge('Anna', 'Ana', '--domain', domain, '--reason', 'a typo', '--json');
      expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
      expect(JSON.parse(done.stdout)).toMatchObject({ faces: 2, person: { id: ana }, merged: { id: anna } });
      expect(await audit()).toMatchObject([{ action: 'person-merge', why: 'a typo' }]);
    });
});
