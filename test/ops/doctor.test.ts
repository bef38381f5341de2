import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CheckReport } from '#kith/ops/check.js';
import { checkCredentials, checkDeadTuples, checkIndexes, checkPgvectorVersion } from '#kith/ops/check-database.js';
import { checkClock, checkDisk, checkNode } from '#kith/ops/check-machine.js';
import { checkHealth, checkPort } from '#kith/ops/check-port.js';
import { asSuperuser, onServer, serverDatabase } from '../support/database.js';
import { makeRows, writeDomain } from '../support/domain-folder.js';
import { kith } from '../support/kith.js';
import { freePort } from '../support/postgres-cluster.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kith-doctor-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function doctor(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; report: CheckReport }> {
  const ended = await kith(['doctor', '--json', ...args], {
    env: { KITH_DATA: join(folder, 'data'), KITH_STORAGE: join(folder, 'storage'), KITH_PORT: '0', ...env },
  });
  expect(ended.stderr).toBe('');
  return { code: ended.code, report: JSON.parse(ended.stdout) as CheckReport };
}

const named = (report: CheckReport, name: string) => report.checks.filter((check) => check.name === name);

describe('kith doctor', () => {
  it('passes on a bare machine, and makes nothing', async () => {
    const { code, report } = await doctor([]);
    expect(code).toBe(0);
    expect(report.failed).toBe(0);
    expect(report.checks.map((check) => check.name)).toEqual(
      expect.arrayContaining([
        'node',
        'cpu',
        'disk',
        'port',
        'credentials',
        'clock',
        'database',
        'datastores',
        'models',
      ]),
    );
    const { existsSync } = await import('node:fs');
    expect(existsSync(join(folder, 'data'))).toBe(false);
  });

  it('names the process that holds the port, and exits 1', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { code, report } = await doctor(['--check', 'port'], { KITH_PORT: String(port) });
    server.close();
    expect(code).toBe(1);
    expect(named(report, 'port')[0]).toMatchObject({ ok: false, level: 'failure' });
    expect(named(report, 'port')[0]?.detail).toMatch(new RegExp(`held by process ${process.pid} \\(`));
  });

  it('exits 1 when the database is away, and says where it was looked for, without the password', async () => {
    const port = await freePort();
    const { code, report } = await doctor(['--check', 'database'], {
      VECTOR_DB_URL: `postgres://kith:hunter2@127.0.0.1:${port}/kith`,
    });
    expect(code).toBe(1);
    expect(named(report, 'database')[0]?.detail).toContain(String(port));
    expect(JSON.stringify(report)).not.toContain('hunter2');
  });

  it('exits 2 for a check that there is not, and for a configuration that cannot be read', async () => {
    expect(await kith(['doctor', '--check', 'luck'])).toMatchObject({ code: 2 });
    expect(await kith(['doctor'], { env: { KITH_PORT: 'http' } })).toMatchObject({ code: 2 });
  });

  it('sees datastores: empty, unreadable, superseded', async () => {
    const storage = join(folder, 'galleries');
    mkdirSync(join(storage, 'slovenia'), { recursive: true });
    writeFileSync(
      join(storage, 'slovenia', 'ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl'),
      Buffer.from([0x80, 5, 0x5d, 0x94, 0x2e]),
    );
    const { code, report } = await doctor(['--check', 'datastores'], { KITH_STORAGE: storage });
    expect(code).toBe(0);
    expect(named(report, 'datastores')[0]).toMatchObject({ ok: true, level: 'warning' });
    expect(named(report, 'datastores')[0]?.detail).toContain('empty');
  });

  it('warns of a signature that is older than its datastore', async () => {
    const storage = join(folder, 'signed');
    const path = await writeDomain(storage, 'slovenia', makeRows('slovenia', { rows: 1, persons: 1 }));
    writeFileSync(`${path}.ldsa`, '(1, 2)');
    const check = async () =>
      named((await doctor(['--check', 'datastores'], { KITH_STORAGE: storage })).report, 'datastores');
    expect(await check()).toMatchObject([{ level: 'ok' }]);
    const later = new Date(Date.now() + 10_000);
    utimesSync(path, later, later);
    expect(await check()).toMatchObject([{ ok: true, level: 'warning', detail: expect.stringContaining('.ldsa') }]);
  });

  it('waits for a service that is not there only as long as it was told', async () => {
    const begun = Date.now();
    const { code } = await doctor(['--check', 'health', '--wait', '1'], { KITH_PORT: String(await freePort()) });
    expect(code).toBe(1);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(1_000);
  });
});

describe('single checks', () => {
  it.each([
    ['0.4.4', 'failure', 'no HNSW'],
    ['0.5.0', 'warning', 'half-precision'],
    ['0.6.0', 'warning', 'iterative scan'],
    ['0.7.4', 'warning', 'iterative scan'],
    ['0.8.0', 'warning', 'overflow'],
    ['0.8.2', 'warning', 'corrupt'],
    ['0.8.3', 'warning', 'graph not repaired'],
    ['0.8.4', 'ok', '0.8.4'],
    ['0.10.0', 'ok', '0.10.0'],
  ])('pgvector %s: %s', (version, level, says) => {
    expect(checkPgvectorVersion(version)).toMatchObject({ level });
    expect(checkPgvectorVersion(version).detail).toContain(says);
  });

  it.each([
    ['18.20.0', 'failure'],
    ['20.18.9', 'failure'],
    ['20.19.0', 'ok'],
    ['23.1.0', 'warning'],
    ['24.0.0', 'ok'],
  ])('Node %s: %s', (version, level) => {
    expect(checkNode(version).level).toBe(level);
  });

  it('a clock apart from the server', () => {
    const here = Date.now();
    expect(checkClock({ server: here, here }).level).toBe('ok');
    expect(checkClock({ server: here - 60_000, here })).toMatchObject({ level: 'warning' });
    expect(checkClock({ server: here - 60_000, here }).detail).toContain('60.0 s ahead');
  });

  it('a folder that cannot be made', async () => {
    const [check] = await checkDisk({ KITH_DATA: '/proc/kith' });
    // As root even /proc counts as writable; its size tells all the same.
    expect(check?.ok).toBe(false);
  });

  it('an unencrypted connection to another machine', () => {
    const connection = {
      host: 'db.example',
      ssl: false,
      passwordOrigin: 'vault',
      description: 'postgres://kith@db.example:5432/kith',
    };
    const check = checkCredentials(connection as unknown as Parameters<typeof checkCredentials>[0]);
    expect(check).toMatchObject({ level: 'warning' });
    expect(check.detail).toContain('sslmode=verify-full');
    expect(check.detail).toContain('Vault');
  });

  it('a port below 1024 or an address of another machine', async () => {
    expect(await checkPort({ host: '192.0.2.1', port: 5001 }, true)).toMatchObject({ ok: false });
    expect(await checkHealth({ host: '127.0.0.1', port: await freePort() }, 0)).toMatchObject({ ok: false });
  });
});

onServer('the database as doctor sees it', () => {
  it('is well with the schema; warns of dead rows; fails on a lost or unusable index', async () => {
    const test = await serverDatabase();
    const url = test.url ?? '';
    const { connectionOf } = await import('../support/database.js');
    const { openGallery } = await import('#kith/gallery/open-gallery.js');
    {
      await using gallery = await openGallery({ location: { kind: 'postgres', connection: connectionOf(url) } });
      expect(await checkIndexes(gallery.database)).toMatchObject({ level: 'ok' });
      expect(await checkDeadTuples(gallery.database)).toMatchObject({ level: 'ok' });
      await asSuperuser(
        url,
        `insert into persons (name, domain) select n::text, 'd' from generate_series(1, 3000) n`,
        'delete from persons where id % 2 = 0',
        'select pg_stat_force_next_flush()',
      );
      await expect
        .poll(async () => (await checkDeadTuples(gallery.database)).level, { timeout: 10_000 })
        .toBe('warning');
      await asSuperuser(
        url,
        `update pg_index set indisvalid = false where indexrelid = 'face_embeddings_image_path_key'::regclass`,
      );
      expect(await checkIndexes(gallery.database)).toMatchObject({ level: 'failure' });
      await asSuperuser(url, 'alter table face_embeddings drop constraint face_embeddings_image_path_key');
      const names = await asSuperuser(url, `select indexname from pg_indexes where tablename = 'face_embeddings'`);
      for (const { indexname } of (names[0]?.rows ?? []) as { indexname: string }[])
        if (indexname !== 'face_embeddings_pkey') await asSuperuser(url, `drop index if exists "${indexname}"`);
      expect((await checkIndexes(gallery.database)).detail).toMatch(/has \d of its 4 indexes/);
    }
    const { code, report } = await doctor(['--check', 'database,schema,memory,index'], { VECTOR_DB_URL: url });
    expect(code).toBe(1);
    expect(named(report, 'postgresql')[0]?.detail).toMatch(/^PostgreSQL 1\d/);
    expect(named(report, 'role')[0]).toMatchObject({ level: 'warning' });
    expect(named(report, 'index-memory')).toHaveLength(1);
    await test.drop();
  });
});
