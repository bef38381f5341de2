import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { asSuperuser, connectionOf, onServer, serverDatabase, type TestDatabase } from '../support/database.js';
import { vectorOf } from '../support/embeddings.js';
import { OLD_INDEX, OLD_TABLES, OldService } from '../support/old-service.js';

const at = (...leading: number[]): Float32Array => vectorOf(512, ...leading);

onServer('taking over the old service', (server) => {
  let database: TestDatabase;
  let gallery: Gallery;
  let old: OldService;
  const best = async (probe: Float32Array, domain: string) =>
    (await gallery.findBestMatch(probe, domain, { threshold: 0.2 }))?.person.name ?? null;

  beforeAll(async () => {
    database = await serverDatabase('extension', server);
    await asSuperuser(database.url!, OLD_TABLES, OLD_INDEX);
    old = await OldService.connect(database.url!);
    const ana = await old.upsertPerson('Ana', 'slovenia', 'actress');
    await old.upsertFace(ana, 'slovenia/Ana/1.jpg', at(1));
    const iva = await old.upsertPerson('Iva', 'serbia', 'singer');
    await old.upsertFace(iva, 'serbia/Iva/1.jpg', at(0, 1));
  });

  afterAll(async () => {
    await gallery?.close();
    await old?.[Symbol.asyncDispose]();
    await database?.drop();
  });

  it('is only offered until somebody asks for it', async () => {
    await expect(openGallery({ location: database.location })).rejects.toMatchObject({ code: 'schema-not-taken-over' });
  });

  it('names the owner when another role asks', async () => {
    const role = `kith_test_other_${Math.random().toString(36).slice(2, 10)}`;
    await asSuperuser(database.url!, `create role ${role} login password 'x'`);
    try {
      const other = Object.assign(new URL(database.url!), { username: role, password: 'x' });
      const location = { kind: 'postgres', connection: connectionOf(other.href) } as const;
      const opening = openGallery({ location, schema: 'migrate' });
      await expect(opening).rejects.toMatchObject({ code: 'schema-owner' });
      await expect(opening).rejects.toThrow(/belongs to the role \S+, and kith_test_other/);
    } finally {
      await asSuperuser(database.url!, `drop role ${role}`);
    }
  });

  it('changes no row and keeps the eight indexes', async () => {
    const content = `select (select string_agg(id || name || domain || occupation || created_at, ',' order by id) from persons)
      || (select string_agg(id || image_path || embedding::text || confidence || created_at, ',' order by id) from face_embeddings) as all`;
    const [before] = await asSuperuser(database.url!, content);
    gallery = await openGallery({ location: database.location, schema: 'migrate' });
    const [after, indexes] = await asSuperuser(
      database.url!,
      content,
      `select indexname from pg_indexes where tablename in ('persons', 'face_embeddings')`,
    );
    expect(after!.rows).toEqual(before!.rows);
    const names = indexes!.rows.map((row) => row.indexname as string);
    expect(names).toEqual(
      expect.arrayContaining([
        'persons_pkey',
        'persons_name_domain_key',
        'idx_persons_domain',
        'idx_persons_name',
        'face_embeddings_pkey',
        'face_embeddings_image_path_key',
        'idx_face_person',
        'idx_face_embedding',
      ]),
    );
    // Kith's own index of domains, and none twice.
    expect(names.length).toBe(9);
  });

  it('finds the old rows', async () => {
    expect(await best(at(1), 'slovenia')).toBe('Ana');
    expect(await best(at(0, 1), 'serbia')).toBe('Iva');
    expect((await gallery.getStats()).domains).toMatchObject([
      { domain: 'serbia', persons: 1, faces: 1, space: null },
      { domain: 'slovenia', persons: 1, faces: 1, space: null },
    ]);
  });

  it('goes on being written by a role that owns nothing, and every search sees it at once', async () => {
    const late = await old.upsertPerson('Late', 'slovenia', 'painter');
    expect(await best(at(0, 0, 1), 'slovenia')).toBeNull();
    await old.upsertFace(late, 'slovenia/Late/1.jpg', at(0, 0, 1));
    expect(await best(at(0, 0, 1), 'slovenia')).toBe('Late');
    await old.upsertFace(late, 'slovenia/Late/1.jpg', at(0, 0, 0, 1));
    expect(await best(at(0, 0, 1), 'slovenia')).toBeNull();
    expect(await best(at(0, 0, 0, 1), 'slovenia')).toBe('Late');
    expect(await old.upsertPerson('Late', 'slovenia', 'sculptor')).toBe(late);
  });

  it('follows a face to another person', async () => {
    const abroad = await old.upsertPerson('Abroad', 'serbia', '');
    await old.moveFace('slovenia/Late/1.jpg', abroad);
    expect(await best(at(0, 0, 0, 1), 'slovenia')).toBeNull();
    expect(await best(at(0, 0, 0, 1), 'serbia')).toBe('Abroad');
  });

  it('follows a person to another domain, a new one too', async () => {
    const abroad = await old.upsertPerson('Abroad', 'serbia', '');
    await old.movePerson(abroad, 'croatia');
    expect(await best(at(0, 0, 0, 1), 'serbia')).toBeNull();
    expect(await best(at(0, 0, 0, 1), 'croatia')).toBe('Abroad');
    await old.deletePerson(abroad);
    expect(await gallery.findMatches(at(0, 0, 0, 1), 'croatia', { threshold: 0.2 }).catch((e) => e.code)).toBe(
      'domain-unknown',
    );
  });

  it('reports a face of nobody as before', async () => {
    await expect(old.upsertFace(999_999, 'x', at(1))).rejects.toMatchObject({ code: '23503' });
  });

  it("does not let a writer set a face's domain against its person's", async () => {
    await old.query(`update face_embeddings set domain = 'serbia' where image_path = 'slovenia/Ana/1.jpg'`);
    expect(await best(at(1), 'slovenia')).toBe('Ana');
  });

  it('keeps a face with its person when both change at the same moment', async () => {
    const person = await old.upsertPerson('Torn', 'slovenia', '');
    await using other = await OldService.connect(database.url!);
    await old.query('begin');
    await old.upsertFace(person, 'torn.jpg', at(0, 0, 0, 0, 1));
    const moving = other.movePerson(person, 'serbia');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await old.query('commit');
    await moving;
    expect(await best(at(0, 0, 0, 0, 1), 'serbia')).toBe('Torn');
    expect(await best(at(0, 0, 0, 0, 1), 'slovenia')).toBeNull();
  });
});
