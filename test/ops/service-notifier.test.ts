import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serviceManager } from '#kith/config/service-manager.js';
import { ServiceNotifier } from '#kith/ops/service-notifier.js';
import { onServer, serverDatabase } from '../support/database.js';
import { ROOT, startKith } from '../support/kith.js';
import { findProgram } from '../support/postgres-cluster.js';

let folder: string;
let receiver: ChildProcess | undefined;
let got: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kith-notify-'));
  got = [];
});

afterEach(() => {
  receiver?.kill();
  rmSync(folder, { recursive: true, force: true });
});

async function listen(): Promise<string> {
  const socket = join(folder, 'notify');
  receiver = spawn('python3', [join(ROOT, 'test/support/notify-socket.py'), socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: receiver.stdout ?? process.stdin });
  lines.on('line', (line) => got.push(JSON.parse(line) as string));
  await once(lines, 'line');
  return socket;
}

const manager = (socket: string, watchdog?: string) =>
  serviceManager({
    NOTIFY_SOCKET: socket,
    PATH: process.env.PATH,
    ...(watchdog === undefined ? {} : { WATCHDOG_USEC: watchdog }),
  });

const fail = (why: string): never => {
  throw new Error(why);
};

function withNotify(name: string, test: () => Promise<void>): void {
  const missing = ['systemd-notify', 'python3'].filter((program) => findProgram(program) === null);
  if (missing.length > 0) it(`NOT RUN, no ${missing.join(', ')}: ${name}`, () => undefined);
  else it(name, test);
}

describe('what systemd is told', () => {
  withNotify('ready, status, a longer start, stopping', async () => {
    using notifier = new ServiceNotifier(fail, manager(await listen()));
    await notifier.extendStart(90, 'bringing the schema up to date');
    await notifier.ready('listening on 127.0.0.1:5001');
    await notifier.stopping();
    const text = got.join('\n');
    expect(text).toContain('EXTEND_TIMEOUT_USEC=90000000');
    expect(text).toContain('READY=1');
    expect(text).toContain('STATUS=listening on 127.0.0.1:5001');
    expect(text.indexOf('STOPPING=1')).toBeGreaterThan(text.indexOf('READY=1'));
  });

  withNotify('a sign of life at half of the watchdog, none when it is not alive', async () => {
    using notifier = new ServiceNotifier(fail, manager(await listen(), '400000'));
    let alive = true;
    notifier.watch(() => alive);
    const beats = () => got.filter((text) => text.includes('WATCHDOG=1')).length;
    await sleep(1_000);
    const whileAlive = beats();
    expect(whileAlive).toBeGreaterThanOrEqual(2);
    alive = false;
    await sleep(300);
    const atMost = beats();
    await sleep(600);
    expect(beats()).toBe(atMost);
  });

  withNotify('that a long start goes on, again and again, and no more once it is ready', async () => {
    using notifier = new ServiceNotifier(fail, manager(await listen()));
    let step = 'opening the database';
    notifier.extendStartWhile(0.6, () => step);
    await expect.poll(() => got.join('\n')).toContain('STATUS=opening the database');
    step = 'loading the engine';
    await expect.poll(() => got.filter((text) => text.includes('EXTEND_TIMEOUT_USEC=600000')).length).toBe(4);
    expect(got.join('\n')).toContain('STATUS=loading the engine');
    await notifier.ready('listening');
    await sleep(700);
    const last = got.findLastIndex((text) => text.includes('EXTEND_TIMEOUT_USEC'));
    expect(got.findIndex((text) => text.includes('READY=1'))).toBeGreaterThan(last);
  });

  it('nothing, without a service manager', async () => {
    using notifier = new ServiceNotifier(fail, serviceManager({}));
    expect(notifier.managed).toBe(false);
    await notifier.ready('x');
    notifier.watch(() => fail('asked'));
  });

  it('says once when it cannot be told', async () => {
    const told: string[] = [];
    using notifier = new ServiceNotifier((why) => told.push(why), { ...manager('/nowhere'), path: folder });
    await notifier.ready('x');
    await notifier.status('y');
    expect(told).toHaveLength(1);
  });

  it('a watchdog meant for another process is not ours', () => {
    expect(serviceManager({ WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1' }).watchdogSeconds).toBeNull();
    expect(serviceManager({ WATCHDOG_USEC: '1000000', WATCHDOG_PID: String(process.pid) }).watchdogSeconds).toBe(1);
  });
});

onServer('kith serve under systemd', (server) => {
  withNotify('is given time while the schema is brought up to date, and is ready after it', async () => {
    const database = await serverDatabase('extension', server);
    // Somebody else migrates: the service waits for the lock, as it would for a table that is written anew.
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query(`select pg_advisory_lock(hashtext('kith schema'))`);
    const env = {
      NOTIFY_SOCKET: await listen(),
      VECTOR_DB_URL: database.url!,
      KITH_DATA: join(folder, 'data'),
      KITH_STORAGE: join(folder, 'storage'),
      KITH_PORT: '0',
      KITH_WORKERS: '1',
    };
    const service = startKith(['serve'], { env });
    const ended = once(service, 'close');
    try {
      await expect.poll(() => got.join('\n'), { timeout: 20_000 }).toContain('EXTEND_TIMEOUT_USEC=90000000');
      await sleep(3_000);
      expect(got.join('\n')).not.toContain('READY=1');
      await other.query(`select pg_advisory_unlock(hashtext('kith schema'))`);
      await expect.poll(() => got.join('\n'), { timeout: 60_000 }).toContain('READY=1');
      service.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
      expect(got.join('\n')).toContain('STOPPING=1');
    } finally {
      service.kill('SIGKILL');
      await ended;
      await other.end();
      await database.drop();
    }
  });
});
