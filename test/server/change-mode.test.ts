import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseConfig } from '#kith/config/config.js';
import { ApiKeys } from '#kith/ops/keys.js';
import { Metrics } from '#kith/ops/metrics.js';
import { type App, openLogger } from '#kith/server/app.js';
import { SCHEMAS } from '#kith/server/schemas.js';
import { buildApp } from '#kith/server/serve.js';
import { ServiceState } from '#kith/server/service-state.js';
import { openServices, type Services } from '#kith/server/services.js';
import { eachBackend } from '../support/database.js';
import { makeRows } from '../support/domain-folder.js';
import { migratedDomain, vectorOfRow } from '../support/dual-domain.js';

const ajv = new Ajv.default({ strict: false, schemas: [{ $id: 'kith', components: { schemas: SCHEMAS } }] });

function expectShape(name: keyof typeof SCHEMAS, answer: unknown): void {
  const validate = ajv.getSchema(`kith#/components/schemas/${name}`);
  if (validate === undefined) throw new Error(`no schema ${name}`);
  expect(validate(answer) ? [] : validate.errors).toEqual([]);
}

eachBackend('changing a mode and reading the audit over HTTP', (backend) => {
  let folder: string;
  let services: Services;
  let app: App;
  const rows = makeRows('slovenia', { rows: 1040, persons: 130, seed: 7 });

  beforeAll(async () => {
    const database = await backend.fresh();
    folder = await mkdtemp(join(tmpdir(), 'kith-mode-'));
    const config = parseConfig({
      KITH_DATA: join(folder, 'data'),
      KITH_STORAGE: join(folder, 'storage'),
      KITH_LOG_LEVEL: 'silent',
      KITH_LATENCY_BUDGET: '60000',
      KITH_SHADOW_SAMPLING: '0',
    });
    const { location } = database;
    await migratedDomain(location, config.storage, 'slovenia', rows);
    await migratedDomain(location, config.storage, 'croatia', makeRows('croatia', { rows: 3, persons: 3 }));
    services = await openServices(config, { location });
    const state = new ServiceState();
    const metrics = new Metrics({ version: '0', processMetrics: false });
    app = buildApp(config, openLogger(config), metrics, state, () => 'http://x');
    state.ready(services);
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    await services?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  let key: string | undefined;
  const headers = () => (key === undefined ? {} : { authorization: `Bearer ${key}` });
  const get = async (url: string) => (await app.inject({ method: 'GET', url, headers: headers() })).json();
  const put = async (domain: string, payload: object | string) =>
    (await app.inject({ method: 'PUT', url: `/api/v1/domains/${domain}/mode`, payload, headers: headers() })).json();
  const answering = async () =>
    (await services.recognition.search(vectorOfRow(rows[0]), { domain: 'slovenia', topK: 1 })).mode;

  it('sets what answers, and the next search goes by it', async () => {
    const pkl = await put('slovenia', { mode: 'pkl', reason: 'a look at the old side' });
    expect(pkl).toMatchObject({ domain: 'slovenia', mode: 'pkl', source: 'own' });
    expectShape('DomainMode', pkl);
    expect(await answering()).toBe('pkl');
    expect(await put('slovenia', { mode: null })).toMatchObject({ mode: 'dual', source: 'default' });
    expect(await answering()).toBe('dual');
  });

  it('refuses pgvector with the reasons of a cutover until the domain is ready, and takes it then', async () => {
    const refused = await put('slovenia', { mode: 'pgvector', reason: 'in a hurry' });
    expect(refused).toMatchObject({ code: 'cutover-refused', status: 409 });
    expect(refused.detail).toContain('0 comparisons where at least 1000 are needed');
    const cutover = services.recognition.cutover({ domain: 'slovenia', author: { who: 'test' } });
    await expect(cutover).rejects.toMatchObject({ message: refused.detail });
    expect(await answering()).toBe('dual');

    await services.recognition.shadow.replay({ domain: 'slovenia' });
    const set = await put('slovenia', { mode: 'pgvector', reason: 'ready' });
    expect(set).toMatchObject({ mode: 'pgvector', source: 'own', watch: { by: 'http' } });
    expect(await answering()).toBe('pgvector');
    // Without a mode of its own the domain would be dual: taking it back is going back.
    expect(await put('slovenia', { mode: null, reason: 'back' })).toMatchObject({ mode: 'dual', watch: null });
    expect(await answering()).toBe('dual');
  }, 120_000);

  it.each([
    ['another mode', { mode: 'both' }, 'parameter-value', 400],
    ['no mode', { reason: 'none' }, 'parameter-missing', 400],
    ['a body that is no object', [1], 'request-body', 400],
    ['a body that is no JSON', 'mode=pkl', 'request-body', 400],
  ])('refuses %s', async (_what, body, code, status) => {
    expect(await put('slovenia', body)).toMatchObject({ code, status });
  });

  it('says that a domain is unknown', async () => {
    expect(await put('atlantis', { mode: 'pkl' })).toMatchObject({ code: 'domain-unknown' });
  });

  it('lists who changed what and why, newest first, page by page', async () => {
    await put('croatia', { mode: 'dual' });
    const all = await get('/api/v1/audit');
    expectShape('Audit', all);
    expect(all.next).toBeNull();
    expect(all.items.map((item: { domain: string; why: string }) => [item.domain, item.why])).toEqual([
      ['croatia', 'mode dual'],
      ['slovenia', 'back'],
      ['slovenia', 'cutover: ready'],
      ['slovenia', 'no mode of its own'],
      ['slovenia', 'a look at the old side'],
    ]);
    expect(all.items[2]).toMatchObject({
      action: 'domain-set',
      who: 'http',
      details: { before: { mode: null }, after: { mode: 'pgvector' } },
    });
    const paged: unknown[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const page: { items: unknown[]; next: string | null } = await get(
        `/api/v1/audit?domain=slovenia&limit=3&cursor=${next}`,
      );
      expect(page.items.length).toBeLessThanOrEqual(3);
      paged.push(...page.items);
      next = page.next;
    }
    expect(paged).toEqual(all.items.slice(1));
    expect(await get('/api/v1/audit?cursor=x')).toMatchObject({ code: 'gallery-option', status: 400 });
  });

  it('asks for a key of the scope admin, keeps it to its domain, and writes its name down', async () => {
    const keys = new ApiKeys((await services.gallery()).database);
    key = (await keys.create({ scope: 'enrol' })).key;
    expect(await put('croatia', { mode: 'pkl' })).toMatchObject({ code: 'key-scope', status: 403 });
    expect(await get('/api/v1/audit')).toMatchObject({ code: 'key-scope', status: 403 });
    const made = await keys.create({ scope: 'admin', domain: 'croatia', note: 'the night shift' });
    key = made.key;
    expect(await put('slovenia', { mode: 'pkl' })).toMatchObject({ code: 'key-scope', status: 403 });
    expect(await put('croatia', { mode: 'pkl' })).toMatchObject({ mode: 'pkl' });
    const { items } = await get('/api/v1/audit');
    expect(items.map(({ domain }: { domain: string }) => domain)).toEqual(['croatia', 'croatia']);
    expect(items[0]).toMatchObject({ who: `key ${made.info.id} (the night shift)`, why: 'mode pkl' });
    expect(await get('/api/v1/audit?domain=slovenia')).toMatchObject({ code: 'key-scope', status: 403 });
  });

  it('stands in /openapi.json with its scope', async () => {
    const { paths } = await get('/openapi.json');
    expect(paths['/api/v1/domains/{domain}/mode'].put).toMatchObject({ operationId: 'setMode', 'x-scope': 'admin' });
    expect(paths['/api/v1/audit'].get).toMatchObject({ operationId: 'audit', 'x-scope': 'admin' });
  });
});
