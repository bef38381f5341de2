import { expect, it } from 'vitest';
import type { Gallery } from '#kith/gallery/gallery.js';
import { buildPendingIndexes, setIndexesAside } from '#kith/migration/index-pending.js';
import { type Backend, eachBackend } from '../support/database.js';
import { ARCFACE, inSpace, vectorOf } from '../support/embeddings.js';

eachBackend('indexes set aside', (backend: Backend) => {
  const indexes = async ({ database }: Gallery): Promise<unknown[]> => {
    const text = `select indexdef from pg_indexes where indexdef like '%hnsw%' order by indexdef`;
    return (await database.query({ text })).rows;
  };
  const addFace = async (gallery: Gallery): Promise<void> => {
    const { id } = await gallery.addPerson({ name: 'Ana', domain: 'slovenia' });
    await gallery.addEmbedding({
      personId: id,
      imagePath: 'Ana/1.jpg',
      embedding: inSpace(ARCFACE, vectorOf(512, 1, 2)),
    });
  };

  it('are built again as they were, over whatever was stored meanwhile', async () => {
    const gallery = await backend.gallery();
    const before = await indexes(gallery);
    expect(before).toHaveLength(1);
    expect(await setIndexesAside(gallery.database, 'face_embeddings')).toBe(true);
    expect(await indexes(gallery)).toEqual([]);
    await addFace(gallery);
    const found = await gallery.search(vectorOf(512, 1, 2), 'slovenia');
    expect(found).toMatchObject({ plan: { kind: 'exact' }, candidates: [{ person: { name: 'Ana' } }] });
    expect(await buildPendingIndexes(gallery.database)).toBe(1);
    expect(await indexes(gallery)).toEqual(before);
    expect(await buildPendingIndexes(gallery.database)).toBe(0);
  });

  it('stay where there is a row', async () => {
    const gallery = await backend.gallery();
    await addFace(gallery);
    const before = await indexes(gallery);
    expect(await setIndexesAside(gallery.database, 'face_embeddings')).toBe(false);
    expect(await indexes(gallery)).toEqual(before);
  });

  // The embedded database runs one transaction at a time: nobody else can hold a lock there.
  if (backend.kind === 'embedded') return;

  it('stay while somebody uses the table, and wait while a migration runs', async () => {
    const gallery = await backend.gallery();
    const before = await indexes(gallery);
    await gallery.transaction(async (_, transaction) => {
      await transaction.query({ text: 'select from face_embeddings' });
      expect(await setIndexesAside(gallery.database, 'face_embeddings')).toBe(false);
    });
    expect(await indexes(gallery)).toEqual(before);

    await setIndexesAside(gallery.database, 'face_embeddings');
    await gallery.transaction(async (_, transaction) => {
      await transaction.query({ text: `select pg_advisory_xact_lock(hashtext('kith migrate'), hashtext('slovenia'))` });
      expect(await buildPendingIndexes(gallery.database)).toBe(0);
    });
    expect(await buildPendingIndexes(gallery.database)).toBe(1);
    expect(await indexes(gallery)).toEqual(before);
  });
});
