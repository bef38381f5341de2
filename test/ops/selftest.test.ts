import { expect, it } from 'vitest';
import type { Database } from '#kith/gallery/database.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { SELFTEST_CHECKS, selftest } from '#kith/ops/selftest.js';
import { eachBackend } from '../support/database.js';
import { kith } from '../support/kith.js';

/** Every row of every table, and every sequence: what a trace would show in. */
async function fingerprint(database: Database): Promise<string> {
  const tables = await database.query<{ name: string }>({
    text: `select relname::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1`,
  });
  const counts = await Promise.all(
    tables.rows.map(async ({ name }) => {
      const { rows } = await database.query<{ hash: string }>({
        text: `select count(*) || ':' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as hash from "${name}" t`,
      });
      return `${name}=${rows[0]?.hash}`;
    }),
  );
  const sequences = await database.query<{ value: string }>({
    text: `select schemaname || '.' || sequencename || '=' || coalesce(last_value, 0) as value from pg_sequences order by 1`,
  });
  return [...counts, ...sequences.rows.map((row) => row.value)].join('\n');
}

eachBackend('the self-test', (backend) => {
  it('passes its nine checks in their order and leaves no trace', async () => {
    const gallery = await backend.gallery();
    const before = await fingerprint(gallery.database);
    const report = await selftest(gallery);
    expect(report.checks.map((check) => check.name)).toEqual([...SELFTEST_CHECKS]);
    expect(report.checks.filter((check) => !check.ok)).toEqual([]);
    expect(report).toMatchObject({ passed: 9, failed: 0 });
    expect(await fingerprint(gallery.database)).toBe(before);
  });

  it('measures searches of what is enrolled, beside exact ones', async () => {
    const gallery = await backend.gallery();
    await gallery.database.query({
      text: `insert into persons (name, domain) select 'p' || n, 'slovenia' from generate_series(1, 60) n`,
    });
    await gallery.database.query({
      text: `insert into face_embeddings (person_id, image_path, embedding)
        select id, id || '.jpg', (select array_agg(sin(id * k))::vector(512) from generate_series(1, 512) k) from persons`,
    });
    const report = await selftest(gallery);
    const time = report.checks.find((check) => check.name === 'search-time');
    expect(time).toMatchObject({ ok: true });
    expect(time?.detail).toMatch(
      /p50 [\d.]+ ms, p99 [\d.]+ ms over 60 faces of slovenia .*recall@10 1\.0000 against exact/,
    );
    expect(report.checks.at(-1)?.detail).toContain('slovenia 60/60');
  });

  it('fails where integrity does not hold', async () => {
    const gallery = await backend.gallery();
    await gallery.database.query({
      text: 'alter table face_embeddings drop constraint face_embeddings_person_id_fkey',
    });
    const report = await selftest(gallery);
    expect(report.failed).toBe(1);
    expect(report.checks.find((check) => check.name === 'integrity')).toMatchObject({ ok: false, level: 'failure' });
  });

  it("says so and fails on a database without Kith's tables, and makes none", async () => {
    const { location } = await backend.fresh('extension');
    await using gallery = await openGallery({ location, schema: 'any' });
    const report = await selftest(gallery);
    expect(report.checks).toHaveLength(9);
    expect(report.checks[2]).toMatchObject({ name: 'schema', ok: false });
    expect(report.checks[2]?.detail).toContain('kith db migrate');
    expect(report.checks.slice(3).every((check) => check.detail.startsWith('not run'))).toBe(true);
    expect((await gallery.schema()).state).toBe('missing');
  });
});

it('kith selftest exits 1 and makes nothing where there is no database yet', async () => {
  const ended = await kith(['selftest', '--json'], { env: { KITH_DATA: '/tmp/kith-selftest-none' } });
  expect(ended.code).toBe(1);
  const report = JSON.parse(ended.stdout) as { failed: number; checks: { name: string }[] };
  expect(report).toMatchObject({ passed: 0, failed: 9 });
});
