import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { asSuperuser, onServer, serverDatabase } from '../support/database.js';
import { kith, startKith } from '../support/kith.js';
import { photo } from '../support/photos.js';
import { freePort } from '../support/postgres-cluster.js';

const folder = mkdtempSync(join(tmpdir(), 'kith-sinks-'));
const running: ChildProcess[] = [];
afterAll(() => {
  for (const child of running) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const tag = randomBytes(4).toString('hex');
const PASSWORD = `planted/pass=${tag}@:%#?`;
/** Of a vector that no other text holds; enough digits to be found in any rounding. */
const VECTOR = Array.from({ length: 512 }, (_, at) => Math.fround(0.000_731 * (at + 1) + 0.123_457));
const PROBE = photo('sample1.jpg');

/** Everything by which a planted thing could be told in a text. */
const planted = (key: string): readonly string[] => [
  PASSWORD,
  encodeURIComponent(PASSWORD),
  `pass=${tag}`,
  key,
  key.split('_').at(-1) ?? key,
  ...VECTOR.slice(0, 8).map((value) => value.toFixed(5)),
  PROBE.subarray(1000, 1030).toString('base64'),
];

/** Texts of all files under a folder, but for databases. */
function filesUnder(at: string): string[] {
  return readdirSync(at).flatMap((name) => {
    const path = join(at, name);
    return statSync(path).isDirectory() ? filesUnder(path) : [readFileSync(path, 'latin1')];
  });
}

onServer('planted secrets, vectors and photos', (server) => {
  it('are in no log, answer, metric, process title, file or error', async () => {
    const database = await serverDatabase();
    const role = `kith_test_sink_${tag}`;
    const quoted = PASSWORD.replaceAll("'", "''");
    await asSuperuser(database.url ?? '', `create role ${role} login superuser password '${quoted}'`);
    const url = Object.assign(new URL(database.url ?? ''), {
      username: role,
      password: encodeURIComponent(PASSWORD),
    }).href;
    const port = await freePort();
    const env = {
      VECTOR_DB_URL: url,
      KITH_PORT: String(port),
      KITH_DATA: join(folder, 'data'),
      KITH_STORAGE: folder,
      KITH_WORKERS: '1',
      KITH_LOG_LEVEL: 'trace',
    };
    const sinks: Record<string, string> = {};
    try {
      const created = await kith(['keys', 'create', '--scope', 'admin', '--json'], { env });
      const { key } = JSON.parse(created.stdout) as { key: string };
      const service = startKith(['serve'], { env });
      running.push(service);
      for (const stream of ['stdout', 'stderr'] as const) {
        sinks[stream] = '';
        service[stream]?.on('data', (chunk: Buffer) => {
          sinks[stream] += chunk.toString();
        });
      }
      const address = `http://127.0.0.1:${port}`;
      await expect
        .poll(
          () =>
            fetch(`${address}/readyz`).then(
              (answer) => answer.status,
              () => 0,
            ),
          { timeout: 90_000, interval: 200 },
        )
        .toBe(200);
      const ask = async (name: string, path: string, init: RequestInit = {}): Promise<void> => {
        const headers = { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string>) };
        const answer = await fetch(`${address}${path}`, { ...init, headers });
        sinks[name] = `${JSON.stringify([...answer.headers])} ${await answer.text()}`;
      };
      const json = { 'content-type': 'application/json' };
      await ask('search', '/api/v1/search', {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ embedding: VECTOR, domain: 'nobody' }),
      });
      await ask('short search', '/api/v1/search', {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ embedding: VECTOR.slice(1), domain: 'nobody' }),
      });
      await ask('broken JSON', '/api/v1/search', {
        method: 'POST',
        headers: json,
        body: `{"embedding":[${VECTOR.join(',')}`,
      });
      await ask('recognize', '/api/v1/recognize?domain=nobody', {
        method: 'POST',
        headers: { 'content-type': 'image/jpeg' },
        body: PROBE,
      });
      await ask('cut photo', '/api/v1/detect', {
        method: 'POST',
        headers: { 'content-type': 'image/jpeg' },
        body: PROBE.subarray(0, 2000),
      });
      await ask('key in the query', `/api/v1/stats?key=${key}`);
      await ask('wrong key', '/api/v1/stats', { headers: { authorization: `Bearer ${key}0` } });
      await ask('unknown route', `/nowhere/${key}/${encodeURIComponent(PASSWORD)}`);
      for (const path of ['/health', '/metrics', '/openapi.json', '/docs', '/api/v1/stats']) await ask(path, path);
      sinks.title =
        readFileSync(`/proc/${service.pid}/cmdline`, 'utf8') + readFileSync(`/proc/${service.pid}/comm`, 'utf8');
      for (const command of [
        ['doctor', '--json'],
        ['doctor'],
        ['selftest', '--json'],
        ['keys', 'list', '--json'],
        ['stats', '--json'],
      ]) {
        const ended = await kith(command, { env });
        sinks[command.join(' ')] = ended.stdout + ended.stderr;
      }
      // The password is wrong from now on: whatever says so must not repeat it.
      await asSuperuser(
        database.url ?? '',
        `alter role ${role} password 'another'`,
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`,
      );
      await ask('refused by the server', '/api/v1/stats');
      for (const command of [['stats', '--json'], ['doctor', '--json'], ['serve']]) {
        const ended = await kith(command, {
          env: { ...env, KITH_LOG_LEVEL: 'debug', KITH_PORT: '0', KITH_DATA: join(folder, 'other') },
        });
        sinks[`${command.join(' ')}, refused`] = ended.stdout + ended.stderr;
      }
      service.kill('SIGTERM');
      await once(service, 'exit');
      sinks.files = filesUnder(folder).join('\n');
      expect(sinks.stdout?.split('\n').filter((line) => line.includes('"route"')).length).toBeGreaterThan(10);
      for (const line of (sinks.stdout ?? '').split('\n').filter((each) => each.startsWith('{'))) JSON.parse(line);
      const found = Object.entries(sinks).flatMap(([sink, text]) =>
        planted(key)
          .filter((needle) => text.includes(needle))
          .map((needle) => `${sink}: ${needle}`),
      );
      expect(found).toEqual([]);
    } finally {
      await database.drop();
      await asSuperuser(server, `drop role if exists ${role}`);
    }
  }, 240_000);
});
