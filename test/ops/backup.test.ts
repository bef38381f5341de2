import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { findPostgresProgram } from '#kith/ops/postgres-program.js';
import { asSuperuser, embeddedDatabase, onServer, serverDatabase } from '../support/database.js';
import { type Ended, kith } from '../support/kith.js';

// A restore opens the embedded database three times.
vi.setConfig({ testTimeout: 240_000 });

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kith-backup-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PG_BIN = process.env.KITH_TEST_PG_BIN;

async function fill(gallery: Gallery, persons: number): Promise<void> {
  await gallery.database.query({
    text: `insert into persons (name, domain) select 'p' || n, 'slovenia' from generate_series(1, ${persons}) n`,
  });
  await gallery.database.query({
    text: `insert into face_embeddings (person_id, image_path, embedding)
      select id, id || '.jpg', (select array_agg(sin(id * k))::vector(512) from generate_series(1, 512) k) from persons`,
  });
}

/** Every face and its numbers. */
async function contents(gallery: Gallery): Promise<string> {
  const { rows } = await gallery.database.query<{ all: string }>({
    text: `select md5(string_agg(p.name || f.image_path || f.embedding::text, '|' order by f.image_path)) as all
      from face_embeddings f join persons p on p.id = f.person_id`,
  });
  return rows[0]?.all ?? '';
}

const ok = (ended: Ended): Ended => {
  expect(ended.stderr).toBe('');
  expect(ended.code).toBe(0);
  return ended;
};

describe('the embedded database', () => {
  it('is backed up while another process writes to it, and restored where it was lost', async () => {
    const data = await embeddedDatabase();
    if (data.location.kind !== 'embedded') throw new Error('not embedded');
    const env = { KITH_DATA: data.location.folder };
    const file = join(folder, 'embedded.tar.gz');
    let expected = '';
    {
      await using gallery = await openGallery({ location: data.location });
      await fill(gallery, 40);
      expected = await contents(gallery);
      // This process owns the database; the command's own works through it, and what it copies is whole rows only.
      const writing = (async () => {
        for (let n = 0; n < 20; n++)
          await gallery.database.query({
            text: 'insert into persons (name, domain) values ($1, $2)',
            values: [`late-${n}`, 'late'],
          });
      })();
      const report = JSON.parse(ok(await kith(['backup', file, '--json'], { env })).stdout) as {
        kind: string;
        faces: number;
        sha256: string;
      };
      await writing;
      expect(report).toMatchObject({ kind: 'embedded', faces: 40 });
      expect(report.sha256).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await kith(['backup', file], { env })).toMatchObject({ code: 1 });

    const other = mkdtempSync(join(folder, 'data-'));
    const restored = JSON.parse(ok(await kith(['restore', file, '--json'], { env: { KITH_DATA: other } })).stdout) as {
      faces: number;
    };
    expect(restored.faces).toBe(40);
    {
      await using gallery = await openGallery({ location: { kind: 'embedded', folder: other } });
      expect(await contents(gallery)).toBe(expected);
    }
    expect(readdirSync(other).filter((name) => /restore|backup/.test(name))).toEqual([]);

    const occupied = await kith(['restore', file, '--json'], { env });
    expect(occupied.code).toBe(1);
    expect(occupied.stderr).toContain('restore-occupied');
    ok(await kith(['restore', file, '--replace'], { env }));
    expect(readdirSync(data.location.folder).some((name) => name.includes('before-restore'))).toBe(true);
    await data.drop();
  });

  it('is not replaced under a process that has it open', async () => {
    const data = await embeddedDatabase();
    if (data.location.kind !== 'embedded') throw new Error('not embedded');
    const env = { KITH_DATA: data.location.folder };
    const file = join(folder, 'held.tar.gz');
    await using gallery = await openGallery({ location: data.location });
    await gallery.getStats();
    ok(await kith(['backup', file], { env }));
    const ended = await kith(['restore', file, '--replace', '--json'], { env });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('instance-running');
    await gallery.close();
    await data.drop();
  });

  it('is not restored from a file that is cut short, or something else', async () => {
    const data = await embeddedDatabase();
    if (data.location.kind !== 'embedded') throw new Error('not embedded');
    const file = join(folder, 'whole.tar.gz');
    ok(await kith(['backup', file], { env: { KITH_DATA: data.location.folder } }));
    await data.drop();
    const { readFileSync } = await import('node:fs');
    const whole = readFileSync(file);
    const cut = join(folder, 'cut.tar.gz');
    writeFileSync(cut, whole.subarray(0, Math.floor(whole.length / 2)));
    const text = join(folder, 'text');
    writeFileSync(text, 'hello there');
    for (const bad of [cut, text]) {
      const target = mkdtempSync(join(folder, 'bad-'));
      const ended = await kith(['restore', bad, '--json'], { env: { KITH_DATA: target } });
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain('backup-unreadable');
      expect(existsSync(join(target, 'postgres'))).toBe(false);
    }
  });
});

onServer("a server's database", (server) => {
  const search = { folder: PG_BIN ?? null, path: process.env.PATH ?? '' };
  const env = PG_BIN === undefined ? {} : { KITH_PG_BIN: PG_BIN };

  it('is dumped in pg_dump’s format while it is written to, and restored into an empty one', async () => {
    const answers = await asSuperuser(server, `select current_setting('server_version_num')::int / 10000 as major`);
    const { major } = (answers[0]?.rows[0] ?? { major: 0 }) as { major: number };
    const found = await findPostgresProgram('pg_dump', major, search).catch(() => null);
    if (found === null) {
      console.log(`NOT RUN: no pg_dump as new as the server (${major}); set KITH_TEST_PG_BIN`);
      return;
    }
    const [source, target] = [await serverDatabase(), await serverDatabase('nothing')];
    const [from, to] = [source.url ?? '', target.url ?? ''];
    const file = join(folder, 'server.dump');
    await using gallery = await openGallery({ location: source.location });
    await fill(gallery, 60);
    const expected = await contents(gallery);
    const report = JSON.parse(
      ok(await kith(['backup', file, '--json'], { env: { ...env, VECTOR_DB_URL: from } })).stdout,
    ) as object;
    expect(report).toMatchObject({ kind: 'postgres', persons: 60, faces: 60 });
    const occupied = await kith(['restore', file, '--json'], { env: { ...env, VECTOR_DB_URL: from } });
    expect(occupied.stderr).toContain('restore-occupied');
    ok(await kith(['restore', file], { env: { ...env, VECTOR_DB_URL: to } }));
    {
      await using restored = await openGallery({ location: target.location });
      expect(await contents(restored)).toBe(expected);
      expect((await restored.schema()).state).toBe('current');
      // The trigger came along: a new face takes its person's domain.
      const person = await restored.addPerson({ name: 'new', domain: 'slovenia' });
      expect(Number(person.id)).toBeGreaterThan(60);
    }
    await gallery.database.query({ text: "delete from persons where name = 'p1'" });
    ok(await kith(['restore', file, '--replace'], { env: { ...env, VECTOR_DB_URL: from } }));
    await using again = await openGallery({ location: source.location });
    expect(await contents(again)).toBe(expected);
    await gallery.close();
    await again.close();
    await source.drop();
    await target.drop();
  });

  it('says what to install when pg_dump is missing or too old', async () => {
    const test = await serverDatabase();
    const ended = await kith(['backup', join(folder, 'x.dump'), '--json'], {
      env: { VECTOR_DB_URL: test.url ?? '', KITH_PG_BIN: folder },
    });
    expect(ended.code).toBe(1);
    expect(JSON.parse(ended.stderr)).toMatchObject({ error: { code: 'program-missing' } });
    expect(existsSync(join(folder, 'x.dump'))).toBe(false);
    await test.drop();
  });
});
