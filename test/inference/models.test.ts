import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pullModel } from '#kith/inference/model-pull.js';
import { checkModels, listModels } from '#kith/inference/models.js';

const FILE = 'vgg_face_weights.h5';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const BODY = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 3));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'kith-models-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('model files', () => {
  it('are looked for in one folder after the other', async () => {
    const second = path.join(folder, 'second');
    mkdirSync(second);
    writeFileSync(path.join(second, FILE), BODY);
    const listed = await listModels([folder, second]);
    expect(listed.find(({ file }) => file === FILE)).toMatchObject({
      path: path.join(second, FILE),
      size: BODY.length,
    });
    expect(listed.find(({ name }) => name === 'arcface')).toMatchObject({ path: null, size: null });
  });

  it('are checked against the known hash, or the one pinned in SHA256SUMS', async () => {
    writeFileSync(path.join(folder, FILE), BODY);
    writeFileSync(path.join(folder, 'arcface_weights.h5'), BODY);
    const verdicts = async (): Promise<string[]> =>
      (await checkModels([folder], { only: ['vggface', 'arcface', 'retinaface.h5'] })).map(({ verdict }) => verdict);
    expect(await verdicts()).toEqual(['unpinned', 'different', 'missing']);
    const [first] = await checkModels([folder], { only: [FILE] });
    writeFileSync(path.join(folder, 'SHA256SUMS'), `${first!.sha256}  ${FILE}\n${sha256(BODY)} *arcface_weights.h5\n`);
    expect(await verdicts()).toEqual(['ok', 'ok', 'missing']);
    await expect(checkModels([folder], { only: ['none'] })).rejects.toMatchObject({ code: 'model-unknown' });
  });
});

type Handler = (request: IncomingMessage, response: ServerResponse, number: number) => void;

describe('pulling a model', () => {
  let server: Server;
  let url: string;
  let requests: IncomingMessage[];
  let handler: Handler;

  beforeEach(async () => {
    requests = [];
    server = createServer((request, response) => {
      requests.push(request);
      handler(request, response, requests.length);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/weights`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const start = (request: IncomingMessage): number =>
    Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  /** Sends what is asked for, up to a byte, then breaks off. */
  const send = (request: IncomingMessage, response: ServerResponse, until = BODY.length, etag = '"one"'): void => {
    const from = start(request);
    const range = from > 0 ? { 'content-range': `bytes ${from}-${BODY.length - 1}/${BODY.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { etag, 'content-length': BODY.length - from, ...range });
    if (until >= BODY.length) response.end(BODY.subarray(from));
    else response.write(BODY.subarray(from, until), () => setTimeout(() => response.destroy(), 20));
  };
  const pull = (more: Partial<Parameters<typeof pullModel>[1]> = {}) =>
    pullModel(FILE, { folder, url, sha256: sha256(BODY), retries: 2, ...more });
  const left = (): string[] => ['', '.part', '.part.json'].filter((end) => existsSync(path.join(folder, FILE + end)));

  it('fetches, checks and names it; a second time it does nothing', async () => {
    handler = (request, response) => send(request, response);
    const seen: number[] = [];
    const pulled = await pull({ onProgress: ({ done }) => seen.push(done) });
    expect(pulled).toMatchObject({ state: 'pulled', bytes: BODY.length, verified: true });
    expect(readFileSync(pulled.path)).toEqual(BODY);
    expect(seen.at(-1)).toBe(BODY.length);
    expect(left()).toEqual(['']);
    expect(await pull()).toMatchObject({ state: 'present' });
    expect(requests).toHaveLength(1);
  });

  it('goes on where a transfer broke off, as often as it takes', async () => {
    handler = (request, response, number) => send(request, response, number * 80_000);
    await pull({ retries: 0 });
    expect(requests.map(start)).toEqual([0, 80_000, 160_000, 240_000]);
    expect(requests[1]!.headers['if-range']).toBe('"one"');
    expect(readFileSync(path.join(folder, FILE))).toEqual(BODY);
  });

  it('keeps what came when it gives up, and the next call goes on from there', async () => {
    handler = (request, response, number) => (number === 1 ? send(request, response, 100_000) : response.destroy());
    await expect(pull({ retries: 1 })).rejects.toMatchObject({ code: 'model-download' });
    expect(left()).toEqual(['.part', '.part.json']);
    const before = requests.length;
    handler = (request, response) => send(request, response);
    await pull();
    expect(start(requests[before]!)).toBe(100_000);
    expect(left()).toEqual(['']);
  });

  it('starts again when the server has another version by now', async () => {
    handler = (request, response, number) => {
      if (number === 1) return send(request, response, 100_000);
      // If-Range names the old version, so a server sends all of the new one.
      expect(request.headers['if-range']).toBe('"one"');
      delete request.headers.range;
      send(request, response, BODY.length, '"two"');
    };
    await pull();
    expect(readFileSync(path.join(folder, FILE))).toEqual(BODY);
  });

  it('gives up on a server that falls silent, and on a refusal at once', async () => {
    handler = (_, response) => {
      response.writeHead(200, { 'content-length': BODY.length });
      response.write(BODY.subarray(0, 10));
    };
    await expect(pull({ retries: 1, idleTimeout: 100 })).rejects.toMatchObject({
      code: 'model-download',
      message: expect.stringContaining('no byte came for 100 ms'),
    });
    requests = [];
    handler = (_, response) => response.writeHead(404).end();
    await expect(pull()).rejects.toMatchObject({ code: 'model-download', message: expect.stringContaining('404') });
    expect(requests).toHaveLength(1);
  });

  it('removes a file of another hash or size, and never gives it the name', async () => {
    handler = (request, response) => send(request, response);
    await expect(pull({ sha256: 'f'.repeat(64) })).rejects.toMatchObject({ code: 'model-hash' });
    expect(left()).toEqual([]);
    await expect(pullModel('arcface', { folder, url })).rejects.toMatchObject({ code: 'model-size' });
    expect(left()).toEqual([]);
  });

  it('says that nothing was known to check it against', async () => {
    handler = (request, response) => send(request, response);
    expect(await pull({ sha256: undefined })).toMatchObject({ verified: false, sha256: sha256(BODY) });
  });

  it('stops when the caller does, keeping what came', async () => {
    const controller = new AbortController();
    handler = (_, response) => {
      response.writeHead(200, { etag: '"one"', 'content-length': BODY.length });
      response.write(BODY.subarray(0, 50_000), () => setTimeout(() => controller.abort(), 50));
    };
    await expect(pull({ signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(left()).toEqual(['.part', '.part.json']);
  });

  it('refuses an address that is none', async () => {
    await expect(pull({ url: 'file:///etc/passwd' })).rejects.toMatchObject({ code: 'model-url' });
    await expect(pull({ url: 'nonsense' })).rejects.toMatchObject({ code: 'model-url' });
  });
});
