import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { kith, ROOT, startKith } from '../support/kith.js';
import { photo, photoPath, pngBomb } from '../support/photos.js';

const shell = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), 'kith-service-'));
const data = join(folder, 'data');
const env = { KITH_DATA: data, KITH_STORAGE: join(folder, 'storage'), KITH_PORT: '0', KITH_WORKERS: '1' };

interface Service {
  readonly child: ChildProcess;
  readonly address: string;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

const running: ChildProcess[] = [];

/** Starts `kith serve` and waits until it says where it is. */
async function start(more: Record<string, string> = {}): Promise<Service> {
  const child = startKith(['serve'], { env: { ...env, ...more } });
  running.push(child);
  let output = '';
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const address = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const found = /^Kith is at (\S+)/m.exec(output)?.[1];
      // The last line that is printed: what to try, or that there is nothing to try it on yet.
      if (found !== undefined && /^(curl|There is no domain yet|Domains with a datastore).*\n/m.test(output))
        resolve(found);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    void ended.then((code) => reject(new Error(`ended with ${code}: ${output}`)));
  });
  return { child, address, output: () => output, ended };
}

/** A photo on its way: its head has arrived, its body comes when `send` is called. */
function ask(address: string): { arrived: Promise<unknown>; status: Promise<number | undefined>; send: () => void } {
  const body = photo('sample5.jpg');
  const headers = { expect: '100-continue', 'content-type': 'image/jpeg', 'content-length': body.length };
  const asked = request(`${address}/api/v1/detect`, { method: 'POST', headers });
  asked.flushHeaders();
  const status = once(asked, 'response').then(([answer]: { statusCode?: number; resume(): void }[]) => {
    answer?.resume();
    return answer?.statusCode;
  });
  return { arrived: once(asked, 'continue'), status, send: () => asked.end(body) };
}

const closed = (address: string): Promise<void> =>
  expect
    .poll(
      () =>
        fetch(`${address}/livez`).then(
          () => 'open',
          () => 'closed',
        ),
      { timeout: 5000 },
    )
    .toBe('closed');

afterEach(() => {
  for (const child of running.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('kith serve', () => {
  it('tells a newcomer everything, works from a second terminal, survives a kill, and ends in good order', async () => {
    const service = await start();
    expect(service.output()).toMatch(/Enrolled a sample gallery: 12 faces of 12 persons/);
    const line = /^curl .*$/m.exec(service.output())?.[0] ?? '';
    const pasted = await shell('sh', ['-c', line]);
    expect(JSON.parse(pasted.stdout).faces).toHaveLength(3);
    expect(pasted.stdout).toContain('"person"');

    const example = ['examples/recognize.mjs', photoPath('sample3.jpg'), 'sample', service.address];
    const named = await shell(process.execPath, example, { cwd: ROOT });
    expect(named.stdout.trim().split('\n').sort()).toEqual(['known Ana', 'known Breda', 'known Cvetka']);

    const stats = await kith(['stats', '--json'], { env });
    expect(JSON.parse(stats.stdout)).toMatchObject({ domains: [{ domain: 'sample', persons: 12, faces: 12 }] });
    const recognized = await kith(['recognize', photoPath('sample5.jpg'), '--domain', 'sample', '--json'], { env });
    expect(JSON.parse(recognized.stdout).faces).toHaveLength(5);

    service.child.kill('SIGKILL');
    await service.ended;
    const again = await start();
    expect(again.output()).not.toContain('Enrolled a sample gallery');
    const answer = await fetch(`${again.address}/api/v1/domains`);
    expect(await answer.json()).toMatchObject({ items: [{ domain: 'sample', persons: 12 }] });

    const empty = /^Empty it with: npx kith (.*)$/m.exec(service.output())?.[1] ?? '';
    expect((await kith(empty.split(' '), { env })).code).toBe(0);
    const emptied = await kith(['stats', '--json'], { env });
    expect(JSON.parse(emptied.stdout).domains[0]).toMatchObject({ persons: 0, faces: 0 });

    again.child.kill('SIGTERM');
    expect(await again.ended).toBe(0);
    const third = startKith(['serve'], { env });
    running.push(third);
    let said = '';
    third.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('Kith is at')) third.kill('SIGTERM');
    });
    expect(await once(third, 'close')).toEqual([0, null]);
    expect(said).not.toContain('Enrolled a sample gallery');
  }, 180_000);

  it('answers bad requests over a socket and goes on', async () => {
    const { address } = await start();
    const send = async (path: string, body: Uint8Array<ArrayBuffer> | FormData): Promise<unknown> =>
      (await fetch(`${address}/api/v1/${path}`, { method: 'POST', body })).json();
    const bytes = (buffer: Buffer): Uint8Array<ArrayBuffer> => new Uint8Array(buffer);
    expect(await send('recognize?domain=none', bytes(photo('sample3.jpg')))).toMatchObject({ code: 'domain-unknown' });
    expect(await send('detect', bytes(pngBomb(20_000, 10_000)))).toMatchObject({ code: 'photo-too-many-pixels' });
    expect(await send('detect', bytes(Buffer.from('text')))).toMatchObject({ code: 'photo-not-an-image' });
    expect(await send('detect', new Uint8Array())).toMatchObject({ code: 'request-photo-missing' });
    expect(await send('search?domain=sample', bytes(Buffer.from('[1,2]')))).toMatchObject({ code: 'parameter-value' });
    const form = new FormData();
    form.append('photo', new Blob([bytes(photo('sample6.jpg'))]), 'sample6.jpg');
    expect(await send('detect', form)).toMatchObject({ faces: [{}, {}, {}, {}] });
    form.append('photo', new Blob([bytes(photo('sample6.jpg'))]), 'sample6.jpg');
    expect(await send('verify', form)).toMatchObject({ verdict: 'same' });
    expect((await fetch(`${address}/readyz`)).status).toBe(200);
  }, 120_000);

  it('answers, and ends in time, when nobody reads its log', async () => {
    const { child, address } = await start();
    // More lines than a pipe holds.
    child.stdout?.removeAllListeners('data').pause();
    for (let n = 0; n < 40; n++) {
      const answers = Array.from({ length: 50 }, () => fetch(`${address}/api/v1/domains`));
      for (const answer of await Promise.all(answers)) expect(answer.status).toBe(200);
    }
    expect(child.stdout?.readableLength).toBeGreaterThan(10_000);
    const exited = once(child, 'exit');
    const asked = performance.now();
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect(performance.now() - asked).toBeLessThan(15_000);
  }, 120_000);

  it('finishes what is in flight after SIGTERM', async () => {
    const { address, child, ended } = await start();
    const inFlight = [ask(address), ask(address), ask(address), ask(address)];
    await Promise.all(inFlight.map(({ arrived }) => arrived));
    child.kill('SIGTERM');
    // The service stops accepting at once, and waits for the bodies of what it has accepted.
    await closed(address);
    for (const { send } of inFlight) send();
    expect(await Promise.all(inFlight.map(({ status }) => status))).toEqual([200, 200, 200, 200]);
    expect(await ended).toBe(0);
  }, 120_000);

  it('ends at once at a second SIGTERM, whatever is in flight, and the next one starts', async () => {
    const { address, child, ended } = await start();
    const { arrived, status } = ask(address);
    const cut = expect(status).rejects.toThrow();
    await arrived;
    child.kill('SIGTERM');
    await closed(address);
    // It waits for the body that does not come; KITH_SHUTDOWN_SECONDS is 25 unless set.
    await sleep(2000);
    expect(child.exitCode).toBeNull();
    const second = performance.now();
    child.kill('SIGTERM');
    expect(await ended).toBe(1);
    expect(performance.now() - second).toBeLessThan(2000);
    await cut;
    const next = await start();
    expect((await fetch(`${next.address}/readyz`)).status).toBe(200);
  }, 120_000);

  it('says that the port is busy, that the folder has its service, that the host needs a key', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const busy = await kith(['serve', '--json'], { env: { ...env, KITH_PORT: String(port) } });
    server.close();
    expect(busy.code).toBe(1);
    expect(JSON.parse(busy.stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({ error: { code: 'port-busy' } });
    const open = await kith(['serve', '--json'], { env: { ...env, KITH_HOST: '0.0.0.0' } });
    expect(open.code).toBe(2);
    expect(JSON.parse(open.stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({
      error: { code: 'host-without-key' },
    });
    await start();
    const second = await kith(['serve', '--json'], { env });
    expect(second.code).not.toBe(0);
    expect(JSON.parse(second.stderr.trim().split('\n').at(-1) ?? '').error.message).toContain(data);
  }, 120_000);

  it('starts while the database is down, says so, and answers 503 with Retry-After', async () => {
    // Port 1 is nobody's: a server that is down.
    const { address } = await start({
      VECTOR_DB_URL: 'postgresql://kith@127.0.0.1:1/kith?sslmode=disable',
      KITH_DATA: join(folder, 'down'),
    });
    expect((await fetch(`${address}/livez`)).status).toBe(200);
    const health = await fetch(`${address}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ status: 'failing', database: { ok: false }, model: { ok: true } });
    const body = new Uint8Array(photo('sample3.jpg'));
    const asked = await fetch(`${address}/api/v1/recognize?domain=sample`, { method: 'POST', body });
    expect(asked.status).toBe(503);
    expect(Number(asked.headers.get('retry-after'))).toBeGreaterThan(0);
    // It never learnt whether this database has keys, so nobody passes unasked.
    expect((await fetch(`${address}/api/v1/detect`, { method: 'POST', body })).status).toBe(503);
  }, 120_000);

  it('refuses a wrong configuration before anything starts', async () => {
    const { code, stderr } = await kith(['serve'], { env: { ...env, KITH_PORT: 'five' } });
    expect(code).toBe(2);
    expect(stderr).toContain('KITH_PORT must be a whole number from 0 to 65535, and "five" was given');
  });
});

describe('commands on files', () => {
  it.each([
    [['recognize', '/no/such.jpg', '--domain', 'sample'], 'file-missing', 2],
    [['recognize', '/tmp', '--domain', 'sample'], 'file-kind', 2],
    [['detect', 'TEXT'], 'photo-not-an-image', 1],
    [['search', '--domain', 'sample', '--embedding', 'TEXT'], 'file-content', 2],
  ])('kith %j ends with %s', async (args, code, exit) => {
    const text = join(folder, 'letter.txt');
    await writeFile(text, 'Dear sir or madam,');
    const ended = await kith([...args.map((arg) => (arg === 'TEXT' ? text : arg)), '--json'], { env });
    expect(JSON.parse(ended.stderr)).toMatchObject({ error: { code } });
    expect(ended.code).toBe(exit);
    expect(ended.stdout).toBe('');
  });
});
