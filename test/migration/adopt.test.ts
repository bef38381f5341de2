import { afterAll, expect, it } from 'vitest';
import type { Database } from '#kith/gallery/database.js';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { migrate } from '#kith/migration/migrate.js';
import type { MigrationReport } from '#kith/migration/report.js';
import { type Backend, eachBackend } from '../support/database.js';
import { makeRows, temporaryStorage, writeDomain } from '../support/domain-folder.js';

const OLD_SERVICE = `
  create table persons (id serial primary key, name varchar(255) not null, domain varchar(100) not null,
    wikidata_id varchar(50), occupation text, created_at timestamp default current_timestamp,
    updated_at timestamp default current_timestamp, unique (name, domain));
  create table face_embeddings (id serial primary key, person_id integer not null references persons(id) on delete cascade,
    image_path text not null unique, embedding vector(512) not null, confidence real, created_at timestamp default current_timestamp);
  create index on persons (domain); create index on persons (name); create index on face_embeddings (person_id);
  create index on face_embeddings using hnsw (embedding vector_cosine_ops) with (m = 16, ef_construction = 64)`;

type Row = ReturnType<typeof makeRows>[number];
/** How an old migration wrote things down. */
interface OldMigration {
  readonly path: (row: Row) => string;
  readonly person?: (folder: string) => string;
  /** A number of a vector, as text. */
  readonly number?: (value: number) => string;
}

async function fillAsOldMigration(database: Database, rows: readonly Row[], old: OldMigration): Promise<void> {
  for (const row of rows) {
    const folder = row.identity!.split('/').at(-2)!;
    const vector = `[${Array.from(row.embedding!, (value) => (old.number ?? String)(value)).join(',')}]`;
    await database.query({
      text: `with person as (
               insert into persons (name, domain) values ($1, 'slovenia')
               on conflict (name, domain) do update set name = excluded.name returning id)
             insert into face_embeddings (person_id, image_path, embedding, confidence)
             select id, $2, $3::vector, 0.99 from person`,
      values: [(old.person ?? String)(folder), old.path(row), vector],
    });
  }
}

eachBackend('adoption', (backend: Backend) => {
  const storage = temporaryStorage();
  const opened: Gallery[] = [];
  afterAll(async () => {
    for (const gallery of opened) await gallery.close();
  });

  /** A database as the old service left it, taken over. */
  async function takenOver(rows: readonly Row[], old: OldMigration): Promise<Gallery> {
    const { location } = await backend.fresh('extension');
    const gallery = await openGallery({ location, schema: 'any' });
    opened.push(gallery);
    await gallery.database.query({ text: 'create extension if not exists vector' });
    await gallery.database.query({ text: OLD_SERVICE });
    await fillAsOldMigration(gallery.database, rows, old);
    await gallery.migrateSchema();
    return gallery;
  }

  const facesOf = async (gallery: Gallery): Promise<unknown[]> => {
    const { rows } = await gallery.database.query({
      text: 'select id, person_id, image_path, embedding::text, confidence, xmin::text from face_embeddings order by id',
    });
    return rows;
  };

  const run = async (gallery: Gallery): Promise<MigrationReport> => {
    const [report] = await migrate(gallery, { storage, domains: ['slovenia'] });
    expect(report).not.toHaveProperty('error');
    return report as MigrationReport;
  };

  const ways: readonly (readonly [string, OldMigration])[] = [
    ['under the path of the datastore', { path: (row) => row.identity! }],
    ['under another root', { path: (row) => `/srv/faces/${row.identity!.split('/').slice(-3).join('/')}` }],
    ['with backslashes', { path: (row) => `C:\\faces\\${row.identity!.split('/').slice(-3).join('\\')}` }],
    ['under the name of the file alone', { path: (row) => row.identity!.split('/').at(-1)! }],
    [
      'with numbers cut to what float32 needs, and persons spelled otherwise',
      {
        path: (row) => `x/${row.identity!.split('/').slice(-2).join('/')}`,
        number: (value) => value.toPrecision(8),
        person: (folder) => folder.replaceAll(' ', '_'),
      },
    ],
  ];

  it.each(ways)('adopts what equals a row, stored %s, and adds the rest', async (_, old) => {
    const rows = makeRows('slovenia', { rows: 30, persons: 6 });
    await writeDomain(storage, 'slovenia', rows);
    const gallery = await takenOver(rows.slice(0, 26), old);
    const before = await facesOf(gallery);
    const report = await run(gallery);
    expect(report).toMatchObject({
      rows: 30,
      migrated: 4,
      updated: 0,
      unchanged: 26,
      skipped: [],
      validated: { ok: 30, missing: 0, extra: 0, different: 0 },
    });
    const after = await facesOf(gallery);
    expect(after.slice(0, 26)).toEqual(before);
    expect(after).toHaveLength(30);
    const { domains } = await gallery.getStats();
    expect(domains).toMatchObject([
      {
        domain: 'slovenia',
        space: 'model_arcface_detector_retinaface_aligned_normalization_base_expand_0',
        persons: 6,
        faces: 30,
      },
    ]);
    expect(await run(gallery)).toMatchObject({ migrated: 0, unchanged: 30 });
    expect(await facesOf(gallery)).toEqual(after);
  });

  it('adopts the one face that the old table could keep of an image, and adds the others', async () => {
    const rows = makeRows('slovenia', { rows: 12, persons: 3, seed: 2 });
    rows[4] = { ...rows[4]!, identity: rows[1]!.identity };
    await writeDomain(storage, 'slovenia', rows);
    // ON CONFLICT DO UPDATE: the image's last face is what stayed.
    const gallery = await takenOver([...rows.slice(0, 1), ...rows.slice(2)], { path: (row) => row.identity! });
    expect(await run(gallery)).toMatchObject({ migrated: 1, unchanged: 11, validated: { ok: 12, extra: 0 } });
    const { rows: faces } = await gallery.database.query({
      text: 'select image_path from face_embeddings where image_path like $1 order by image_path',
      values: [`${rows[1]!.identity}%`],
    });
    expect(faces).toEqual([{ image_path: rows[1]!.identity }, { image_path: `${rows[1]!.identity}#face=2` }]);
    expect(await run(gallery)).toMatchObject({ migrated: 0, unchanged: 12 });
  });

  it('does not take a table of other embeddings for the space of the datastore', async () => {
    const rows = makeRows('slovenia', { rows: 12, persons: 3, seed: 3 });
    await writeDomain(storage, 'slovenia', rows);
    const others = makeRows('slovenia', { rows: 12, persons: 3, seed: 4 });
    const gallery = await takenOver(others, { path: (row) => row.identity! });
    const before = await facesOf(gallery);
    const report = await run(gallery);
    expect(report).toMatchObject({ migrated: 12, unchanged: 0, validated: { ok: 12, extra: 0 } });
    expect(report.warnings).toEqual([expect.stringContaining("loaded beside what the domain's searches use")]);
    expect(await facesOf(gallery)).toEqual(before);
  });
});
