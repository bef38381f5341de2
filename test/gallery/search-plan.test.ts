import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CopyValue, encodeCopy } from '#kith/gallery/copy-encode.js';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { hnswStatement } from '#kith/gallery/search-statement.js';
import { GalleryGenerator } from '../../bench/support/gallery-generator.js';
import { asSuperuser, onServer, serverDatabase, type TestDatabase } from '../support/database.js';
import { OLD_INDEX, OLD_TABLES, OldService } from '../support/old-service.js';

const FACES = 23_640;
const PERSONS = 2_625;
const generator = new GalleryGenerator({ faces: FACES, persons: PERSONS, seed: 7 });

function* oldFaces(): Generator<CopyValue[][]> {
  const batch: CopyValue[][] = [];
  let number = 0;
  for (const { person, values } of generator.faces()) {
    batch.push([person + 1, `slovenia/${person}/${number++}.jpg`, values]);
    if (batch.length === 256) yield batch.splice(0);
  }
  yield batch;
}

async function fillOldTables(database: TestDatabase): Promise<void> {
  await asSuperuser(
    database.url!,
    OLD_TABLES,
    `insert into persons (name, domain) select 'Person ' || n, 'slovenia' from generate_series(1, ${PERSONS}) n`,
  );
  await using gallery = await openGallery({ location: database.location, schema: 'any' });
  await gallery.database.copyIn(
    { table: 'face_embeddings', columns: ['person_id', 'image_path', 'embedding'] },
    encodeCopy(['int4', 'text', 'vector'], oldFaces()),
  );
  await asSuperuser(database.url!, OLD_INDEX);
}

onServer('23,640 taken-over faces with an old writer at work', (server) => {
  let database: TestDatabase;
  let gallery: Gallery;
  let old: OldService;
  let writing = true;
  let writer: Promise<void>;

  beforeAll(async () => {
    database = await serverDatabase('extension', server);
    await fillOldTables(database);
    gallery = await openGallery({ location: database.location, schema: 'migrate' });
    old = await OldService.connect(database.url!);
    writer = (async () => {
      for (let n = 0; writing; n++) {
        const person = await old.upsertPerson(`Person ${1 + (n % PERSONS)}`, 'slovenia', `actor ${n}`);
        await old.upsertFace(person, `new/${n % 50}.jpg`, generator.probe('clustered'));
      }
    })();
  }, 600_000);

  afterAll(async () => {
    writing = false;
    await writer;
    await gallery?.close();
    await old?.[Symbol.asyncDispose]();
    await database?.drop();
  });

  const explain = async (statement: string, values: unknown[]): Promise<string> => {
    await using reader = await OldService.connect(database.url!);
    const { rows } = await reader.query(`explain (costs off) ${statement}`, values);
    return rows.map((row) => Object.values(row)[0]).join('\n');
  };

  it("keeps HNSW in the plan of the old service's statement", async () => {
    const probe = `[${generator.probe('clustered').join(',')}]`;
    expect(await explain(OldService.searchText, [probe, 'slovenia', 5])).toMatch(/Index Scan using idx_face_embedding/);
  });

  it("keeps HNSW in the plan of Kith's, whatever ef_search it asks for and however often it is planned", async () => {
    const { stored } = await gallery.domain('slovenia');
    const probe = generator.probe('clustered');
    for (const efSearch of [40, 100, 400, 1000]) {
      const request = { stored, domain: 'slovenia', probe, limit: 32 };
      const { text } = hnswStatement(request, efSearch, { indexed: 'vector', iterates: true });
      const plans = await gallery.transaction(async (_, inside) => {
        const found: string[] = [];
        for (const mode of ['force_custom_plan', 'force_generic_plan']) {
          await inside.query({ text: `set local plan_cache_mode = ${mode}` });
          const { rows } = await inside.query({
            text: `explain (costs off) ${text}`,
            values: [probe, String(efSearch)],
          });
          found.push(rows.map((row) => Object.values(row)[0]).join('\n'));
        }
        return found;
      });
      for (const plan of plans) expect(plan).toMatch(/Index Scan using idx_face_embedding/);
    }
  });

  it('answers by the index what a scan of everything answers', async () => {
    let same = 0;
    for (let n = 0; n < 60; n++) {
      const probe = generator.probe('clustered');
      const indexed = await gallery.search(probe, 'slovenia', { threshold: 0.68, topK: 1 });
      const exact = await gallery.search(probe, 'slovenia', { threshold: 0.68, topK: 1, exact: true });
      expect(indexed.plan).toEqual({ kind: 'hnsw', index: 'whole-table', efSearch: 100 });
      expect(exact.plan).toEqual({ kind: 'exact' });
      if (indexed.candidates[0]?.imagePath === exact.candidates[0]?.imagePath) same++;
    }
    expect(same).toBeGreaterThanOrEqual(57);
  });

  it('falls back on a scan when the index does not give enough persons', async () => {
    const probe = generator.probe('clustered');
    const { candidates, plan } = await gallery.search(probe, 'slovenia', { threshold: 2, topK: 900 });
    expect(candidates.length).toBe(900);
    expect(plan).toEqual({ kind: 'exact' });
  });

  it('searches a small domain beside it exactly', async () => {
    const person = await old.upsertPerson('Only', 'tiny', '');
    const face = generator.probe('stranger');
    await old.upsertFace(person, 'tiny/1.jpg', face);
    const { candidates, plan } = await gallery.search(face, 'tiny', { threshold: 0.2 });
    expect(candidates.map(({ person: { name } }) => name)).toEqual(['Only']);
    expect(plan).toEqual({ kind: 'exact' });
  });
});
