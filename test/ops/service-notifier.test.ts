import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serviceManager } from '#kith/config/service-manager.js';
import { ServiceNotifier } from '#kith/ops/service-notifier.js';
import { ROOT } from '../support/kith.js';
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
