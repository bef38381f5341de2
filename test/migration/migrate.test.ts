import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Gallery } from '#kith/gallery/gallery.js';
import { type MigrateOptions, migrate } from '#kith/migration/migrate.js';
import { exitCode, isFailed, type MigrationReport } from '#kith/migration/report.js';
import { eachBackend } from '../support/database.js';
import { ARCFACE_FILE, makeRows, temporaryStorage, writeDomain } from '../support/domain-folder.js';
import { vectorOf } from '../support/embeddings.js';

const FACENET_FILE = ARCFACE_FILE.replace('arcface', 'facenet');
const CLEAN = { missing: 0, extra: 0, different: 0 };

const rowsOf = async (gallery: Gallery, text: string): Promise<unknown[]> =>
  (await gallery.database.query({ text })).rows;

/** Every row of the gallery with where it lies on disk: a rewrite of equal values is seen too. */
const footprint = async (gallery: Gallery): Promise<unknown[]> =>
  Promise.all(
    ['persons', 'face_embeddings', 'kith_domains', 'kith_spaces', 'kith_datastore_rows'].map((table) =>
      rowsOf(
        gallery,
        `select md5(string_agg(ctid::text || xmin::text || ${table}::text, ',' order by ctid)) as md5 from ${table}`,
      ),
    ),
  );

const only = (reports: readonly unknown[]): MigrationReport => {
  expect(reports).toHaveLength(1);
  const [report] = reports as [MigrationReport];
  expect(report).not.toHaveProperty('error');
  expect(report.rows).toBe(report.migrated + report.unchanged + report.skipped.length);
  return report;
};

const hnswIndexes = (gallery: Gallery): Promise<unknown[]> =>
  rowsOf(gallery, `select indexname, indexdef from pg_indexes where indexdef like '%hnsw%' order by indexname`);

eachBackend('migrate', (backend) => {
  const storage = temporaryStorage();
  const run = async (
    gallery: Gallery,
    domain: string,
    options: Partial<MigrateOptions> = {},
  ): Promise<MigrationReport> => only(await migrate(gallery, { storage, domains: [domain], ...options }));

  it('moves every row or names it, and changes nothing the second time', async () => {
    const gallery = await backend.gallery();
    const rows = makeRows('slovenia', { rows: 60, persons: 12 });
    rows[20]!.embedding = null;
    rows[21]!.embedding = vectorOf(512, Number.NaN, 1);
    rows[22]!.embedding = vectorOf(511, 1);
    rows[23]!.embedding = vectorOf(512);
    rows[24] = { ...rows[3]! };
    rows[25] = { ...rows[25]!, identity: rows[1]!.identity };
    rows[26]!.box = { x: 0, y: 0, width: 639, height: 479 };
    await writeDomain(storage, 'slovenia', rows);
    const indexes = await hnswIndexes(gallery);

    const report = await run(gallery, 'slovenia');
    expect(report).toMatchObject({
      state: 'migrated',
      space: 'model_arcface_detector_retinaface_aligned_normalization_base_expand_0',
      rows: 60,
      migrated: 55,
      updated: 0,
      unchanged: 0,
      persons: 12,
      wholePhoto: 1,
      validated: { ok: 55, ...CLEAN },
      warnings: [],
    });
    expect(report.skipped.map(({ row, reason }) => [row, reason])).toEqual([
      [20, 'no-embedding'],
      [21, 'not-finite'],
      [22, 'dimension'],
      [23, 'zero-norm'],
      [24, 'duplicate'],
    ]);
    expect(await hnswIndexes(gallery)).toEqual(indexes);
    expect(
      await rowsOf(
        gallery,
        `select image_path, flags, box_width, legacy_hash from face_embeddings where flags <> '{}' or image_path like '%#face=2'`,
      ),
    ).toEqual([
      { image_path: `${rows[1]!.identity}#face=2`, flags: [], box_width: 90, legacy_hash: rows[25]!.hash },
      { image_path: rows[26]!.identity, flags: ['whole-image'], box_width: 639, legacy_hash: rows[26]!.hash },
    ]);
    const [best] = await gallery.findMatches(rows[30]!.embedding as Float32Array, 'slovenia');
    expect(best).toMatchObject({ imagePath: rows[30]!.identity, faceNumber: 1, person: { name: 'Oseba Št. 6' } });

    const before = await footprint(gallery);
    expect(await run(gallery, 'slovenia')).toMatchObject({
      migrated: 0,
      unchanged: 55,
      validated: { ok: 55, ...CLEAN },
    });
    expect(await footprint(gallery)).toEqual(before);
  });

  it('sees what is missing, different and extra, mends the first two and never deletes', async () => {
    const gallery = await backend.gallery();
    const rows = makeRows('slovenia', { rows: 40, persons: 8, seed: 2 });
    await writeDomain(storage, 'slovenia', rows);
    await run(gallery, 'slovenia');
    const path = (row: number): string => `'${rows[row]!.identity}'`;
    await gallery.database.query({ text: `delete from face_embeddings where image_path = ${path(5)}` });
    await gallery.database.query({
      text: `update face_embeddings set embedding = (select embedding from face_embeddings where image_path = ${path(9)}) where image_path = ${path(7)}`,
    });
    await gallery.database.query({
      text: `update face_embeddings set person_id = (select person_id from face_embeddings where image_path = ${path(9)}) where image_path = ${path(11)}`,
    });
    await gallery.database.query({
      text: `insert into face_embeddings (person_id, image_path, embedding) select person_id, 'by/hand.jpg', embedding from face_embeddings where image_path = ${path(0)}`,
    });

    const before = await footprint(gallery);
    const reports = await migrate(gallery, { storage, domains: ['slovenia'], validateOnly: true });
    expect(exitCode(reports, true)).toBe(1);
    expect(only(reports)).toMatchObject({
      state: 'validated',
      validated: { ok: 37, missing: 1, extra: 1, different: 2 },
      findings: expect.arrayContaining([
        { kind: 'missing', row: 5, imagePath: rows[5]!.identity },
        { kind: 'different-vector', row: 7, imagePath: rows[7]!.identity },
        { kind: 'different-person', row: 11, imagePath: rows[11]!.identity },
        { kind: 'extra', row: null, imagePath: 'by/hand.jpg' },
      ]),
    });
    expect(await footprint(gallery)).toEqual(before);

    expect(await run(gallery, 'slovenia', { dryRun: true })).toMatchObject({
      state: 'dry-run',
      migrated: 2,
      updated: 1,
      unchanged: 38,
    });
    expect(await footprint(gallery)).toEqual(before);

    expect(await run(gallery, 'slovenia')).toMatchObject({
      migrated: 2,
      updated: 1,
      unchanged: 38,
      validated: { ok: 39, missing: 0, extra: 1, different: 1 },
    });
    expect(await rowsOf(gallery, 'select count(*)::integer as count from face_embeddings')).toEqual([{ count: 41 }]);
  });

  it('leaves a person who was renamed or merged in the gallery as they are', async () => {
    const gallery = await backend.gallery();
    const rows = makeRows('slovenia', { rows: 30, persons: 6, seed: 3 });
    await writeDomain(storage, 'slovenia', rows.slice(0, 24));
    await run(gallery, 'slovenia');
    const renamed = await gallery.findPerson('Oseba Št. 2', 'slovenia');
    await gallery.renamePerson(renamed!.id, 'Ana Novak');
    await writeDomain(storage, 'slovenia', rows);
    const report = await run(gallery, 'slovenia');
    expect(report).toMatchObject({ migrated: 6, unchanged: 24, validated: { ok: 30, ...CLEAN } });
    expect(report.warnings).toEqual(['the folder Oseba Št. 2 is the person Ana Novak in the gallery']);
    expect(await gallery.findPerson('Oseba Št. 2', 'slovenia')).toBeNull();
  });

  it('keeps one path in two domains apart', async () => {
    const gallery = await backend.gallery();
    const rows = makeRows('slovenia', { rows: 10, persons: 2, seed: 4 });
    const others = makeRows('slovenia', { rows: 10, persons: 2, seed: 5 });
    await writeDomain(storage, 'one', rows);
    await writeDomain(storage, 'two', others);
    await run(gallery, 'one');
    expect(await run(gallery, 'two')).toMatchObject({ migrated: 10, validated: { ok: 10, ...CLEAN } });
    for (const domain of ['one', 'two'])
      expect(await run(gallery, domain)).toMatchObject({ unchanged: 10, validated: { ok: 10, ...CLEAN } });
  });

  it('gives every datastore of a domain a report and its own table', async () => {
    const gallery = await backend.gallery();
    await writeDomain(storage, 'both', makeRows('both', { rows: 12, persons: 3 }));
    await writeDomain(storage, 'both', makeRows('both', { rows: 12, persons: 3, dimensions: 128 }), FACENET_FILE);
    const reports = (await migrate(gallery, { storage, domains: ['both'] })) as MigrationReport[];
    expect(reports.map(({ migrated, validated }) => [migrated, validated])).toEqual([
      [12, { ok: 12, ...CLEAN }],
      [12, { ok: 12, ...CLEAN }],
    ]);
    expect(new Set(reports.map(({ space }) => space)).size).toBe(2);
    expect(reports.map(({ warnings }) => warnings.length).sort()).toEqual([0, 1]);
  });

  it('takes the dimension of most rows, also when the first rows have another', async () => {
    const gallery = await backend.gallery();
    const rows = makeRows('mixed', { rows: 3000, persons: 3, dimensions: 8 });
    for (const row of rows.slice(0, 1200)) row.embedding = vectorOf(9, 1, 2);
    await writeDomain(storage, 'mixed', rows, FACENET_FILE);
    const report = await run(gallery, 'mixed');
    expect(report).toMatchObject({ migrated: 1800, validated: { ok: 1800, ...CLEAN } });
    expect(report.skipped).toHaveLength(1200);
    expect(report.warnings).toEqual([
      expect.stringContaining('most rows have 8 dimensions; the model facenet gives 128'),
    ]);
  });

  it('builds the index after the load of an empty table, and sets none aside while there is a row', async () => {
    const gallery = await backend.gallery();
    const phases: string[] = [];
    const onProgress = ({ phase }: { phase: string }): void => void (phases.at(-1) === phase || phases.push(phase));
    const indexes = await hnswIndexes(gallery);
    await writeDomain(storage, 'large', makeRows('large', { rows: 1300, persons: 100 }));
    await run(gallery, 'large', { onProgress });
    expect(phases).toEqual(['reading', 'comparing', 'writing', 'validating', 'indexing']);
    expect(await hnswIndexes(gallery)).toEqual(indexes);
    await writeDomain(storage, 'large2', makeRows('large2', { rows: 1300, persons: 100, seed: 9 }));
    phases.length = 0;
    await run(gallery, 'large2', { onProgress });
    expect(phases).toEqual(['reading', 'comparing', 'writing', 'validating']);
  });

  it('goes on with the other domains when one is empty, broken or has no datastore', async () => {
    const gallery = await backend.gallery();
    const all = temporaryStorage();
    await writeDomain(all, 'a-empty', []);
    await writeDomain(all, 'b-good', makeRows('b-good', { rows: 8, persons: 2 }));
    mkdirSync(join(all, 'c-broken'));
    writeFileSync(join(all, 'c-broken', ARCFACE_FILE), Buffer.from([0x80, 5, 0x5d]));
    mkdirSync(join(all, 'd-nothing', 'Ana'), { recursive: true });
    await writeDomain(all, 'e-good', makeRows('e-good', { rows: 8, persons: 2, seed: 6 }));
    const reports = await migrate(gallery, { storage: all, domains: 'all' });
    expect(reports.map((report) => [report.domain, isFailed(report) ? report.error.code : report.state])).toEqual([
      ['a-empty', 'empty'],
      ['b-good', 'migrated'],
      ['c-broken', 'datastore-truncated'],
      ['d-nothing', 'no-datastore'],
      ['e-good', 'migrated'],
    ]);
    expect(exitCode(reports, false)).toBe(1);
    const named = await migrate(gallery, { storage: all, domains: ['d-nothing', '../a-empty'] });
    expect(named.map((report) => isFailed(report) && report.error.code)).toEqual([
      'migration-no-datastore',
      'migration-no-datastore',
    ]);
    expect((await gallery.domains()).map(({ domain }) => domain)).toEqual(['b-good', 'e-good']);
  });

  it('ends when its signal fires, and the next run goes on', async () => {
    const gallery = await backend.gallery();
    const indexes = await hnswIndexes(gallery);
    const rows = makeRows('large', { rows: 1300, persons: 100, seed: 7 });
    await writeDomain(storage, 'large', rows);
    const stop = new AbortController();
    const stopped = migrate(gallery, {
      storage,
      domains: ['large'],
      signal: stop.signal,
      onProgress: ({ phase }) => phase === 'comparing' && stop.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    expect(await rowsOf(gallery, 'select from face_embeddings')).toEqual([]);
    expect(await hnswIndexes(gallery)).toEqual(indexes);
    expect(await run(gallery, 'large')).toMatchObject({ migrated: 1300, validated: { ok: 1300, ...CLEAN } });
  });
});
