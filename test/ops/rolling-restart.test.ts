import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { onServer, serverDatabase } from '../support/database.js';
import { startKith } from '../support/kith.js';
import { findProgram, freePort } from '../support/postgres-cluster.js';

const folder = mkdtempSync(join(tmpdir(), 'kith-rolling-'));
const SPACE = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);
const running: ChildProcess[] = [];
afterAll(() => {
  for (const child of running) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** As docs/systemd.md has it: a request that met a closing connection goes to the other instance. */
const proxyConfig = (port: number, instances: readonly number[]): string => `
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  retries 3
  option redispatch
  retry-on conn-failure empty-response
frontend kith
  bind 127.0.0.1:${port}
  default_backend kith
backend kith
  option httpchk GET /readyz
${instances.map((instance, index) => `  server kith${index} 127.0.0.1:${instance} check inter 200ms fall 1 rise 1`).join('\n')}
`;

async function startInstance(port: number, url: string, data: string): Promise<ChildProcess> {
  const env = {
    VECTOR_DB_URL: url,
    KITH_PORT: String(port),
    KITH_DATA: data,
    KITH_STORAGE: folder,
    KITH_WORKERS: '1',
    KITH_LOG_LEVEL: 'warn',
  };
  const child = startKith(['serve'], { env });
  running.push(child);
  child.stdout?.resume();
  child.stderr?.resume();
  await expect
    .poll(
      () =>
        fetch(`http://127.0.0.1:${port}/readyz`).then(
          (answer) => answer.status,
          () => 0,
        ),
      { timeout: 90_000, interval: 200 },
    )
    .toBe(200);
  return child;
}

interface Tally {
  answered: number;
  readonly lost: string[];
}

/** Callers that send searches, one after the other each, until told to stop. */
function traffic(address: string, callers: number): { readonly tally: Tally; stop(): Promise<void> } {
  const tally: Tally = { answered: 0, lost: [] };
  const body = JSON.stringify({
    embedding: Array.from({ length: 512 }, (_, at) => Math.sin(at + 1)),
    domain: 'slovenia',
  });
  let stopped = false;
  const caller = async (): Promise<void> => {
    while (!stopped) {
      try {
        const answer = await fetch(`${address}/api/v1/search`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        const { candidates } = (await answer.json()) as { candidates?: readonly unknown[] };
        if (answer.status === 200 && candidates?.length === 1) tally.answered++;
        else tally.lost.push(`status ${answer.status}, ${candidates?.length} candidates`);
      } catch (error) {
        tally.lost.push(String((error as { cause?: unknown }).cause ?? error));
      }
      await sleep(20);
    }
  };
  const all = Promise.all(Array.from({ length: callers }, caller));
  return {
    tally,
    stop: async () => {
      stopped = true;
      await all;
    },
  };
}

onServer('a rolling restart of two instances behind haproxy', () => {
  const haproxy = findProgram('haproxy');
  if (haproxy === null) it('NOT RUN, no haproxy (apt-get install haproxy)', () => undefined);
  else
    it('loses no answer, and each instance ends with 0', async () => {
      const database = await serverDatabase();
      {
        await using gallery = await openGallery({ location: database.location });
        await gallery.ensureDomain('slovenia', SPACE);
        await gallery.addPerson({ name: 'Ana', domain: 'slovenia' });
        await gallery.database.query({
          text: `insert into face_embeddings (person_id, image_path, embedding)
            select id, 'ana.jpg', (select array_agg(sin(k) order by k)::vector(512) from generate_series(1, 512) k) from persons`,
        });
      }
      const ports = [await freePort(), await freePort()] as const;
      const start = (at: 0 | 1) => startInstance(ports[at], database.url ?? '', join(folder, `data-${at}`));
      const instances = [await start(0), await start(1)];
      const port = await freePort();
      const config = join(folder, 'haproxy.cfg');
      writeFileSync(config, proxyConfig(port, ports));
      const proxy = spawn(haproxy, ['-db', '-f', config], { stdio: 'ignore' });
      running.push(proxy);
      await expect
        .poll(
          () =>
            fetch(`http://127.0.0.1:${port}/livez`).then(
              (answer) => answer.status,
              () => 0,
            ),
          { timeout: 20_000 },
        )
        .toBe(200);
      const load = traffic(`http://127.0.0.1:${port}`, 4);
      await expect.poll(() => load.tally.answered, { timeout: 30_000 }).toBeGreaterThan(20);
      for (const at of [0, 1] as const) {
        const instance = instances[at];
        const ended = once(instance as ChildProcess, 'exit');
        instance?.kill('SIGTERM');
        expect(await ended).toEqual([0, null]);
        instances[at] = await start(at);
        // The proxy takes it back before the other one goes.
        await sleep(1_500);
      }
      await load.stop();
      console.log(`rolling restart: ${load.tally.answered} answered, ${load.tally.lost.length} lost`);
      expect(load.tally.lost).toEqual([]);
      expect(load.tally.answered).toBeGreaterThan(50);
      for (const child of running) child.kill('SIGTERM');
      await Promise.all(
        running
          .filter((child) => child.exitCode === null && child.signalCode === null)
          .map((child) => once(child, 'exit')),
      );
      await database.drop();
    }, 240_000);
});
