import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '#kith/config/config.js';
import { Metrics } from '#kith/ops/metrics.js';
import { type App, openLogger } from '#kith/server/app.js';
import { ensureSampleGallery, SAMPLE_DOMAIN } from '#kith/server/sample-gallery.js';
import { SAMPLE_PERSONS } from '#kith/server/sample-photos.js';
import { SCHEMAS } from '#kith/server/schemas.js';
import { buildApp } from '#kith/server/serve.js';
import { ServiceState } from '#kith/server/service-state.js';
import { openServices, type Services } from '#kith/server/services.js';
import { photo, pngBomb } from '../support/photos.js';

const folder = await mkdtemp(join(tmpdir(), 'kith-api-'));
const config = parseConfig({
  KITH_DATA: join(folder, 'data'),
  KITH_STORAGE: join(folder, 'storage'),
  KITH_LOG_LEVEL: 'silent',
  KITH_WORKERS: '1',
});
const SPACE = 'model_faceapi_detector_ssdmobilenetv1_aligned_normalization_base_expand_0';
const URL_RECOGNIZE = `/api/v1/recognize?domain=${SAMPLE_DOMAIN}`;
const jpeg = { 'content-type': 'image/jpeg' };

let services: Services;
let app: App;
const state = new ServiceState();

beforeAll(async () => {
  const location = { kind: 'embedded', folder: config.data } as const;
  services = await openServices(config, { schema: 'migrate', location });
  app = buildApp(
    config,
    openLogger(config),
    new Metrics({ version: '0', processMetrics: false }),
    state,
    () => 'http://x',
  );
  await ensureSampleGallery(config, services, new AbortController().signal);
  state.ready(services);
});

afterAll(async () => {
  await app?.close();
  await services?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const ajv = new Ajv.default({ strict: false, schemas: [{ $id: 'kith', components: { schemas: SCHEMAS } }] });

/** Holds an answer against the schema that /openapi.json gives for it. */
function expectShape(name: keyof typeof SCHEMAS, answer: unknown): void {
  const validate = ajv.getSchema(`kith#/components/schemas/${name}`);
  if (validate === undefined) throw new Error(`no schema ${name}`);
  expect(validate(answer) ? [] : validate.errors).toEqual([]);
}

const post = (url: string, payload: Buffer | object, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url, payload, headers });
const get = (url: string) => app.inject({ method: 'GET', url });

describe('POST /api/v1/recognize', () => {
  it.each(['application/x-www-form-urlencoded', 'image/jpeg', 'application/octet-stream'])(
    'names the persons of a photo sent as %s',
    async (type) => {
      const answer = await post(URL_RECOGNIZE, photo('sample3.jpg'), { 'content-type': type });
      expect(answer.statusCode).toBe(200);
      const { faces, ...rest } = answer.json();
      expect(rest).toMatchObject({
        domain: SAMPLE_DOMAIN,
        mode: 'pgvector',
        space: SPACE,
        image: { width: 1920, height: 1350 },
      });
      const names = faces
        .sort((a: { box: { x: number } }, b: { box: { x: number } }) => a.box.x - b.box.x)
        .map((face: { candidates: { person: { name: string } }[] }) => face.candidates[0]?.person.name);
      expect(names).toEqual(['Ana', 'Breda', 'Cvetka']);
      expectShape('RecognizeAnswer', answer.json());
    },
  );

  it('takes domain, threshold and top-k as fields of JSON too', async () => {
    const image = photo('sample3.jpg').toString('base64');
    const near = await post('/api/v1/recognize', { image, domain: SAMPLE_DOMAIN, threshold: 1, topK: 2 });
    for (const face of near.json().faces) expect(face.candidates).toHaveLength(2);
    const far = await post('/api/v1/recognize', { image, domain: SAMPLE_DOMAIN, threshold: 0 });
    for (const face of far.json().faces) expect(face).toMatchObject({ verdict: 'unknown', candidates: [] });
  });

  it('answers with an empty list when there is no face', async () => {
    const answer = await post(URL_RECOGNIZE, pngBomb(64, 64), { 'content-type': 'image/png' });
    expect(answer.statusCode).toBe(200);
    expect(answer.json().faces).toEqual([]);
  });

  it('calls strangers unknown', async () => {
    const { faces } = (await post(URL_RECOGNIZE, photo('sample1.jpg'), jpeg)).json();
    expect(faces.length).toBeGreaterThan(0);
    for (const face of faces) expect(face.verdict).toBe('unknown');
  });
});

describe('a bad request', () => {
  const cut = photo('sample3.jpg').subarray(0, 40_000);
  it.each([
    ['an unknown domain', '/api/v1/recognize?domain=atlantis', photo('sample3.jpg'), 'domain-unknown', 404],
    ['no domain', '/api/v1/recognize', photo('sample3.jpg'), 'parameter-missing', 400],
    ['a corrupt photo', URL_RECOGNIZE, cut, 'photo-corrupt', 422],
    ['a hundred-megapixel bomb', URL_RECOGNIZE, pngBomb(10_000, 10_000), 'photo-too-many-pixels', 413],
    ['a text file', URL_RECOGNIZE, Buffer.from('Dear sir or madam,'), 'photo-not-an-image', 415],
    ['an empty upload', URL_RECOGNIZE, Buffer.alloc(0), 'request-photo-missing', 400],
    ['a threshold that is no number', `${URL_RECOGNIZE}&threshold=near`, photo('sample3.jpg'), 'parameter-value', 400],
    ['a top-k of none', `${URL_RECOGNIZE}&topK=0`, photo('sample3.jpg'), 'parameter-value', 400],
    ['a space that is none', '/api/v1/detect?space=arcface', photo('sample3.jpg'), 'space-name', 400],
  ])('with %s gets its own problem document, and the service goes on', async (_name, url, body, code, status) => {
    const answer = await post(url, body, jpeg);
    expect({ code: answer.json().code, status: answer.statusCode }).toEqual({ code, status });
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expectShape('Problem', answer.json());
    expect((await get('/readyz')).statusCode).toBe(200);
  });
});

describe('POST /api/v1/detect, embed, search, verify', () => {
  it('finds faces, without and with their embeddings', async () => {
    const found = (await post('/api/v1/detect', photo('sample5.jpg'), jpeg)).json();
    expect(found.faces).toHaveLength(5);
    expect(found.faces[0].embedding).toBeUndefined();
    const embedded = (await post('/api/v1/embed', photo('sample5.jpg'), jpeg)).json();
    expect(embedded.faces.map((face: { embedding: number[] }) => face.embedding.length)).toEqual([
      128, 128, 128, 128, 128,
    ]);
    expectShape('FacesAnswer', found);
    expectShape('FacesAnswer', embedded);
  });

  it('searches with an embedding, in the body or as the body', async () => {
    const { faces } = (await post('/api/v1/embed', photo('sample3.jpg'), jpeg)).json();
    const { embedding } = faces.sort((a: { box: { x: number } }, b: { box: { x: number } }) => a.box.x - b.box.x)[0];
    const whole = (await post('/api/v1/search', { embedding, domain: SAMPLE_DOMAIN })).json();
    expect(whole.candidates[0].person.name).toBe('Ana');
    expectShape('SearchAnswer', whole);
    const bare = await post(`/api/v1/search?domain=${SAMPLE_DOMAIN}`, embedding);
    expect(bare.json().candidates).toEqual(whole.candidates);
  });

  it.each([
    [[1, 2, 3], 'embedding-dimension', 422],
    [new Array(128).fill(0), 'embedding-zero-norm', 422],
    [[], 'parameter-value', 400],
    ['abc', 'parameter-value', 400],
    [[1, null], 'parameter-value', 400],
  ])('refuses a vector such as %j', async (embedding, code, status) => {
    const answer = await post('/api/v1/search', { embedding, domain: SAMPLE_DOMAIN });
    expect({ code: answer.json().code, status: answer.statusCode }).toEqual({ code, status });
  });

  it('verifies two photos', async () => {
    const one = photo('sample3.jpg').toString('base64');
    const same = (await post('/api/v1/verify', { images: [one, one] })).json();
    expect(same).toMatchObject({ verdict: 'same', space: SPACE });
    expect(same.distance).toBeLessThan(1e-5);
    expectShape('VerifyAnswer', same);
    const other = photo('sample6.jpg').toString('base64');
    expect((await post('/api/v1/verify', { images: [one, other] })).json().verdict).toBe('different');
    const nobody = pngBomb(64, 64).toString('base64');
    expect((await post('/api/v1/verify', { images: [one, nobody] })).json().code).toBe('face-none');
  });
});

describe('GET', () => {
  it('/api/v1/domains, one of them, its mode, and /stats', async () => {
    const domains = (await get('/api/v1/domains')).json();
    expect(domains.items).toEqual([{ domain: SAMPLE_DOMAIN, mode: 'pgvector', space: SPACE, persons: 12, faces: 12 }]);
    expectShape('Domains', domains);
    expect((await get(`/api/v1/domains/${SAMPLE_DOMAIN}`)).json()).toEqual(domains.items[0]);
    expectShape('DomainMode', (await get(`/api/v1/domains/${SAMPLE_DOMAIN}/mode`)).json());
    expectShape('Stats', (await get('/api/v1/stats')).json());
    expect((await get('/api/v1/domains/atlantis')).json().code).toBe('domain-unknown');
    expect((await get('/api/v1/domains/atlantis/mode')).json().code).toBe('domain-unknown');
  });

  it('/api/v1/persons page by page, a person, and its faces', async () => {
    const names: string[] = [];
    let cursor: string | null = '';
    do {
      const page: { items: { name: string }[]; next: string | null } = (
        await get(`/api/v1/persons?domain=${SAMPLE_DOMAIN}&limit=5&cursor=${encodeURIComponent(cursor)}`)
      ).json();
      expectShape('Persons', page);
      names.push(...page.items.map((person) => person.name));
      cursor = page.next;
    } while (cursor !== null);
    expect(names.sort()).toEqual(SAMPLE_PERSONS.map(({ name }) => name));
    const { items } = (await get(`/api/v1/persons?domain=${SAMPLE_DOMAIN}&limit=1`)).json();
    expectShape('Person', (await get(`/api/v1/persons/${items[0].id}`)).json());
    const faces = (await get(`/api/v1/faces?person=${items[0].id}`)).json();
    expectShape('Faces', faces);
    expect(faces.items).toHaveLength(1);
    expect((await get('/api/v1/persons/999999')).json().code).toBe('person-unknown');
  });

  it('/health, /livez, /readyz, /metrics', async () => {
    const health = await get('/health');
    expect(health.statusCode).toBe(200);
    expectShape('Health', health.json());
    expectShape('Liveness', (await get('/livez')).json());
    expectShape('Liveness', (await get('/readyz')).json());
    const metrics = await get('/metrics');
    expect(metrics.body).toMatch(/^kith_ready 1$/m);
    expect(metrics.body).toMatch(/kith_errors_total\{code="domain-unknown"\} [1-9]/);
  });

  it('/openapi.json and /docs name every address', async () => {
    const document = (await get('/openapi.json')).json();
    const page = (await get('/docs')).body;
    const paths = Object.keys(document.paths);
    expect(paths).toContain('/api/v1/recognize');
    expect(paths).toContain('/api/v1/domains/{domain}/mode');
    for (const path of paths) expect(page).toContain(path);
    for (const match of JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g))
      expect(Object.keys(document.components.schemas)).toContain(match[1]);
    expect(page).not.toMatch(/<script|https?:\/\/(?!x\/)/);
  });
});

it('answers 503 with Retry-After before it is ready, and still says that it lives', async () => {
  const starting = new ServiceState();
  const other = buildApp(
    config,
    openLogger(config),
    new Metrics({ version: '0', processMetrics: false }),
    starting,
    () => '',
  );
  const ready = await other.inject({ method: 'GET', url: '/readyz' });
  expect({ status: ready.statusCode, code: ready.json().code }).toEqual({ status: 503, code: 'starting' });
  expect(Number(ready.headers['retry-after'])).toBeGreaterThan(0);
  const recognize = await other.inject({
    method: 'POST',
    url: URL_RECOGNIZE,
    payload: photo('sample3.jpg'),
    headers: jpeg,
  });
  expect(recognize.json().code).toBe('starting');
  expect((await other.inject({ method: 'GET', url: '/livez' })).statusCode).toBe(200);
  expect((await other.inject({ method: 'GET', url: '/health' })).statusCode).toBe(503);
  await other.close();
});
