import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '#kith/config/config.js';
import { type App, createApp, openLogger } from '#kith/server/app.js';
import { readPhotos } from '#kith/server/photo-request.js';

const config = parseConfig({ KITH_LOG_LEVEL: 'silent', KITH_MAX_PHOTO_BYTES: '2048', KITH_REQUEST_SECONDS: '1' });
const BYTES = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 0, 255]);

let app: App;
const faults: string[] = [];

beforeEach(() => {
  faults.length = 0;
  app = createApp(config, openLogger(config), (code) => faults.push(code));
  for (const expected of [1, 2] as const)
    app.post(`/photos/${expected}`, async (request) => {
      const { photos, fields } = await readPhotos(request, expected);
      return { photos: photos.map((photo) => Buffer.from(photo).toString('hex')), fields };
    });
});

afterEach(() => app.close());

const hex = BYTES.toString('hex');
const base64 = BYTES.toString('base64');

/** A multipart body as curl -F writes it. */
function form(parts: readonly { name: string; value: Buffer | string; file?: true }[]) {
  const boundary = '------------------------b0und4ry';
  const chunks = parts.map(({ name, value, file }) =>
    Buffer.concat([
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file ? '; filename="p.jpg"\r\nContent-Type: image/jpeg' : ''}\r\n\r\n`,
      ),
      Buffer.from(value),
      Buffer.from('\r\n'),
    ]),
  );
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    payload: Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

describe('a photo in a request', () => {
  it.each([
    'application/x-www-form-urlencoded',
    'image/jpeg',
    'application/octet-stream',
    'text/plain',
    'image/heic; q=1',
  ])('is taken as raw bytes under %s', async (type) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/photos/1?domain=d',
      headers: { 'content-type': type },
      payload: BYTES,
    });
    expect(answer.json()).toEqual({ photos: [hex], fields: { domain: 'd' } });
  });

  it('is taken as raw bytes without a content type', async () => {
    const answer = await app.inject({
      method: 'POST',
      url: '/photos/1',
      payload: BYTES,
    });
    expect(answer.json()).toMatchObject({ photos: [hex] });
  });

  it('is taken from multipart, fields over the query', async () => {
    const body = form([
      { name: 'topK', value: '3' },
      { name: 'photo', value: BYTES, file: true },
      { name: 'domain', value: 'f' },
    ]);
    const answer = await app.inject({ method: 'POST', url: '/photos/1?domain=d&threshold=1', ...body });
    expect(answer.json()).toEqual({ photos: [hex], fields: { domain: 'f', threshold: '1', topK: '3' } });
  });

  it.each([
    [{ image: base64 }],
    [{ photo: base64 }],
    [{ img: `data:image/jpeg;base64,${base64}` }],
    [{ images: [base64] }],
  ])('is taken from JSON as base64 (%#)', async (payload) => {
    const answer = await app.inject({ method: 'POST', url: '/photos/1', payload });
    expect(answer.json()).toMatchObject({ photos: [hex] });
  });

  it('comes in pairs for verify', async () => {
    const pairs = [{ images: [base64, base64] }, { img1: base64, img2: base64 }, { photo1: base64, photo2: base64 }];
    for (const payload of pairs) {
      const answer = await app.inject({ method: 'POST', url: '/photos/2', payload });
      expect(answer.json()).toMatchObject({ photos: [hex, hex] });
    }
    const body = form([
      { name: 'a', value: BYTES, file: true },
      { name: 'b', value: BYTES, file: true },
    ]);
    const answer = await app.inject({ method: 'POST', url: '/photos/2', ...body });
    expect(answer.json()).toMatchObject({ photos: [hex, hex] });
  });
});

describe('a request without the photo that it should hold', () => {
  const json = { 'content-type': 'application/json' };
  it.each([
    ['nothing', '/photos/1', {}, 'request-photo-missing', 400],
    [
      'an empty body',
      '/photos/1',
      { headers: { 'content-type': 'image/jpeg' }, payload: '' },
      'request-photo-missing',
      400,
    ],
    ['an empty form', '/photos/1', form([]), 'request-photo-missing', 400],
    ['an empty file', '/photos/1', form([{ name: 'photo', value: '', file: true }]), 'request-photo-missing', 400],
    ['JSON without one', '/photos/1', { payload: {} }, 'request-photo-missing', 400],
    ['a JSON array', '/photos/1', { payload: [1] }, 'request-photo-missing', 400],
    ['one of two', '/photos/2', { payload: { image: base64 } }, 'request-photo-missing', 400],
    ['two for one', '/photos/1', { payload: { images: [base64, base64] } }, 'request-photo-missing', 400],
    ['broken JSON', '/photos/1', { headers: json, payload: '{"image":' }, 'request-body', 400],
    ['no JSON', '/photos/1', { headers: json, payload: '' }, 'request-body', 400],
    ['what is not base64', '/photos/1', { payload: { image: 'not base64!' } }, 'parameter-value', 400],
    ['a number', '/photos/1', { payload: { image: 7 } }, 'parameter-value', 400],
    [
      'a broken form',
      '/photos/1',
      { headers: { 'content-type': 'multipart/form-data' }, payload: 'x' },
      'request-body',
      400,
    ],
    [
      'a cut form',
      '/photos/1',
      {
        ...form([{ name: 'p', value: BYTES, file: true }]),
        payload: form([{ name: 'p', value: BYTES, file: true }]).payload.subarray(0, 150),
      },
      'request-body',
      400,
    ],
    [
      'a photo over the limit',
      '/photos/1',
      { headers: { 'content-type': 'image/png' }, payload: Buffer.alloc(2049) },
      'request-too-large',
      413,
    ],
    [
      'a file over the limit',
      '/photos/1',
      form([{ name: 'p', value: Buffer.alloc(2049), file: true }]),
      'request-too-large',
      413,
    ],
    ['a JSON over the limit', '/photos/1', { payload: { image: 'A'.repeat(70_000) } }, 'request-too-large', 413],
    ['a prototype', '/photos/1', { headers: json, payload: '{"__proto__":{"image":"x"}}' }, 'request-body', 400],
  ])('%s: a problem document', async (_name, url, request, code, status) => {
    const answer = await app.inject({ method: 'POST', url, ...request });
    expect({ code: answer.json().code, status: answer.statusCode }).toEqual({ code, status });
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.json()).toMatchObject({ status, type: `/docs#${code}` });
    expect(answer.body).not.toMatch(/node_modules|\\n {4}at /);
    expect(faults).toEqual([code]);
  });
});

describe('limits that count', () => {
  /** Sends text to the listening service and waits for what comes back until the connection ends. */
  const talk = async (send: (write: (text: string) => void) => void): Promise<string> => {
    const port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port);
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text)).on('error', reject);
      socket.on('connect', () => send((words) => socket.write(words)));
    });
  };

  it('the bytes of a body, not the length that it declares', async () => {
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`;
    const answer = await talk((write) =>
      write(
        `POST /photos/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}0\r\n\r\n`,
      ),
    );
    expect(answer).toContain('HTTP/1.1 413');
    expect(answer).toContain('request-too-large');
  });

  it('the time that a client takes to send its request', async () => {
    const started = performance.now();
    const answer = await talk((write) =>
      write('POST /photos/1 HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\nabc'),
    );
    expect(answer).toMatch(/HTTP\/1\.1 (408|503)/);
    expect(performance.now() - started).toBeLessThan(10_000);
  }, 20_000);
});

it("gives every answer an id: the caller's, or a new one when that would not do for a log", async () => {
  const asked = async (id: string) =>
    (await app.inject({ method: 'GET', url: '/nowhere', headers: { 'x-request-id': id } })).headers['x-request-id'];
  expect(await asked('abc-123')).toBe('abc-123');
  expect(await asked('a\tb')).toMatch(/^[0-9a-f-]{36}$/);
  expect(await asked('x'.repeat(65))).toMatch(/^[0-9a-f-]{36}$/);
});
