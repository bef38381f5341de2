import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import type { ShadowOptions } from '#kith/recognition/options.js';
import { type Backend, eachBackend, type TestDatabase } from '../support/database.js';
import { makeRows } from '../support/domain-folder.js';
import { migratedDomain, type Row, validator, vectorOfRow } from '../support/dual-domain.js';
import { makeWorkplace, type Workplace } from '../support/recognition.js';

eachBackend('recording comparisons', (backend: Backend) => {
  let place: Workplace;
  let database: TestDatabase;
  let gallery: Gallery;
  let rows: Row[];

  beforeAll(async () => {
    place = await makeWorkplace();
    database = await backend.fresh();
    gallery = await openGallery({ location: database.location });
    rows = makeRows('d', { rows: 30, persons: 10, seed: 1 });
    await migratedDomain(database.location, place.storage, 'd', rows);
  });
  afterAll(async () => {
    await gallery.close();
    await place.remove();
  });

  const open = (shadow: Partial<ShadowOptions>) =>
    place.open(database.location, { validate: validator(place.storage), shadow });

  it('is off the request path: overload is dropped and counted, and every caller has its answer', async () => {
    await using recognition = open({});
    await recognition.search(vectorOfRow(rows[0]), { domain: 'd' });
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, nth) => recognition.search(vectorOfRow(rows[nth % 30]), { domain: 'd' })),
    );
    expect(answers.every(({ candidates }, nth) => candidates[0]?.imagePath === rows[nth % 30]!.identity)).toBe(true);
    const report = await recognition.shadow.report('d');
    expect(report.dropped).toBeGreaterThan(0);
    expect(report.comparisons + report.dropped).toBe(301);
    expect(report.agreement).toBe(1);
  });

  it('keeps what is compared for as long as it is told to, and starts again after a reset', async () => {
    await gallery.database.query({
      text: `update kith_shadow_comparisons set compared_at = now() - interval '8 days'
             where id in (select id from kith_shadow_comparisons order by id limit 5)`,
    });
    const count = async () => {
      const { rows: found } = await gallery.database.query<{ old: number; all: number }>({
        text: `select count(*) filter (where compared_at < now() - interval '7 days')::int as old, count(*)::int as all
               from kith_shadow_comparisons`,
      });
      return found[0]!;
    };
    expect((await count()).old).toBe(5);
    await using recognition = open({ retentionDays: 7 });
    await recognition.search(vectorOfRow(rows[1]), { domain: 'd' });
    await recognition.shadow.report('d');
    await expect.poll(async () => (await count()).old).toBe(0);
    const { removed } = await recognition.shadow.reset('d', { who: 'test' });
    expect(removed).toBeGreaterThan(0);
    expect(await count()).toEqual({ old: 0, all: 0 });
    expect(await recognition.shadow.report('d')).toMatchObject({ comparisons: 0, agreement: null, dropped: 0 });
  });

  it('takes the share of searches that it is told to', async () => {
    await using none = open({ sampling: 0 });
    for (const row of rows) await none.search(vectorOfRow(row), { domain: 'd' });
    expect(await none.shadow.report('d')).toMatchObject({ comparisons: 0, dropped: 0 });
  });

  it('keeps no photo and no vector', async () => {
    const { rows: columns } = await gallery.database.query<{ data_type: string }>({
      text: `select distinct data_type from information_schema.columns where table_name = 'kith_shadow_comparisons'`,
    });
    const types = columns.map(({ data_type }) => data_type);
    for (const type of ['bytea', 'USER-DEFINED', 'ARRAY']) expect(types).not.toContain(type);
  });
});
