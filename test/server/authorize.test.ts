import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseConfig } from '#kith/config/config.js';
import { ApiKeys, type NewKey } from '#kith/ops/keys.js';
import { Metrics } from '#kith/ops/metrics.js';
import { type App, openLogger } from '#kith/server/app.js';
import { buildApp } from '#kith/server/serve.js';
import { ServiceState } from '#kith/server/service-state.js';
import { openServices, type Services } from '#kith/server/services.js';
import { SERVER_URL, sayWithoutServer, serverDatabase, type TestDatabase } from '../support/database.js';
import { photo } from '../support/photos.js';

const folder = await mkdtemp(join(tmpdir(), 'kith-authorize-'));
const config = parseConfig({
  KITH_DATA: join(folder, 'data'),
  KITH_STORAGE: folder,
  KITH_LOG_LEVEL: 'silent',
  KITH_WORKERS: '1',
});

let database: TestDatabase | undefined;
let services: Services;
let app: App;
let keys: ApiKeys;

beforeAll(async () => {
  if (SERVER_URL === undefined) sayWithoutServer('keys over HTTP');
  else database = await serverDatabase();
  const location = database?.location ?? ({ kind: 'embedded', folder: config.data } as const);
  services = await openServices(config, { schema: 'migrate', location });
  const state = new ServiceState();
  app = buildApp(
    config,
    openLogger(config),
    new Metrics({ version: '0', processMetrics: false }),
    state,
    () => 'http://x',
  );
  state.ready(services);
  const gallery = await services.gallery();
  keys = new ApiKeys(gallery.database);
  for (const domain of ['slovenia', 'croatia']) await gallery.addPerson({ name: 'Ana', domain });
});

afterAll(async () => {
  await app?.close();
  await services?.[Symbol.asyncDispose]();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

const get = (url: string, key?: string) =>
  app.inject({ method: 'GET', url, headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
const keyFor = async (key: NewKey): Promise<string> => (await keys.create(key)).key;

it('needs no key before there is one, and one from then on', async () => {
  expect((await get('/api/v1/domains')).statusCode).toBe(200);
  const key = await keyFor({ scope: 'recognise' });
  await expect.poll(async () => (await get('/api/v1/domains')).statusCode, { timeout: 5_000 }).toBe(401);
  const refused = await get('/api/v1/domains');
  expect(refused.headers['www-authenticate']).toBe('Bearer');
  expect(refused.json()).toMatchObject({ code: 'key-missing', status: 401 });
  expect((await get('/api/v1/domains', key)).statusCode).toBe(200);
  for (const open of ['/livez', '/readyz', '/metrics', '/openapi.json', '/docs'])
    expect((await get(open)).statusCode).toBe(200);
});

it('refuses a wrong, an expired and a revoked key alike, from the next request on', async () => {
  const { key, info } = await keys.create({ scope: 'admin' });
  expect((await get('/api/v1/stats', key)).statusCode).toBe(200);
  await keys.revoke(info.id);
  const answers = [key, `${key}x`, 'kith_none', await keyFor({ scope: 'admin', expiresAt: new Date(0) })];
  for (const presented of answers) {
    const answer = await get('/api/v1/stats', presented);
    expect(answer.statusCode).toBe(401);
    expect(answer.json().code).toBe('key-refused');
    expect(answer.body).not.toContain(presented);
  }
});

it('keeps a key to its domain, in queries, paths, bodies, lists and persons', async () => {
  const key = await keyFor({ scope: 'recognise', domain: 'slovenia' });
  expect((await get('/api/v1/domains', key)).json().items.map((item: { domain: string }) => item.domain)).toEqual([
    'slovenia',
  ]);
  expect((await get('/api/v1/stats', key)).json().domains).toHaveLength(1);
  expect((await get('/api/v1/persons?domain=slovenia', key)).statusCode).toBe(200);
  for (const url of ['/api/v1/persons?domain=croatia', '/api/v1/domains/croatia', '/api/v1/domains/croatia/mode'])
    expect((await get(url, key)).json()).toMatchObject({ status: 403, code: 'key-scope' });
  const gallery = await services.gallery();
  const other = await gallery.findPerson('Ana', 'croatia');
  for (const url of [`/api/v1/persons/${other?.id}`, `/api/v1/faces?person=${other?.id}`])
    expect((await get(url, key)).statusCode).toBe(403);
  const image = photo('sample1.jpg').toString('base64');
  const recognised = await app.inject({
    method: 'POST',
    url: '/api/v1/recognize',
    payload: { image, domain: 'croatia' },
    headers: { authorization: `Bearer ${key}` },
  });
  expect(recognised.statusCode).toBe(403);
});

it('asks for a key before it reads the body', async () => {
  const answer = await app.inject({ method: 'POST', url: '/api/v1/recognize?domain=slovenia', payload: 'not a photo' });
  expect(answer.statusCode).toBe(401);
});

it('shows in its metrics what the gallery and the pool do', async () => {
  const text = (await get('/metrics')).body;
  expect(text).toContain('kith_persons{domain="slovenia"} 1');
  expect(text).toMatch(/kith_pool_limit \d+/);
  expect(text).toMatch(/kith_index_valid\{index="face_embeddings_\w+"\} 1/);
  expect(text).toContain('kith_inference_queue_limit 64');
  expect(text).not.toMatch(/kith_scrape_failures_total\{/);
});
