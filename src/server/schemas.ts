/** The shapes of the HTTP API, as JSON Schema (OpenAPI 3.1). A test holds every answer against its schema. */

type Schema = Readonly<Record<string, unknown>>;

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const object = (properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
});
const list = (items: Schema): Schema => ({ type: 'array', items });
const nullable = (type: string, description?: string): Schema => ({
  type: [type, 'null'],
  ...(description === undefined ? {} : { description }),
});
const page = (item: string): Schema =>
  object({ items: list(ref(item)), next: nullable('string', '`cursor` of the page after it; null at the end') });

const text: Schema = { type: 'string' };
const number: Schema = { type: 'number' };
const count: Schema = { type: 'integer', minimum: 0 };
const mode: Schema = { enum: ['pkl', 'dual', 'pgvector'] };
const space = nullable('string', 'name of the embedding space; null while nobody has declared it');
const candidates: Schema = { ...list(ref('Candidate')), description: 'distinct persons, nearest first' };

const answers = {
  Box: {
    ...object({ x: number, y: number, width: number, height: number }),
    description: 'pixels of the upright photo',
  },
  Candidate: object({
    person: object({ id: text, name: text }),
    distance: number,
    similarity: { ...number, description: '1 − distance' },
    confidence: nullable('number', "DeepFace's calibrated 0–100, where the space has one"),
    imagePath: text,
    faceNumber: { type: 'integer', minimum: 1 },
  }),
  RecognizeAnswer: object({
    domain: text,
    mode,
    space,
    image: object({ width: count, height: count }),
    faces: list(
      object({
        box: ref('Box'),
        confidence: { ...number, description: "the detector's score, 0–1" },
        verdict: { enum: ['known', 'ambiguous', 'unknown'] },
        candidates,
      }),
    ),
    timings: {
      ...object({ decode: number, faces: number, search: number, total: number }),
      description: 'milliseconds',
    },
  }),
  SearchAnswer: object({ domain: text, mode, space, candidates }),
  VerifyAnswer: object({
    verdict: { enum: ['same', 'different'] },
    distance: number,
    threshold: number,
    confidence: nullable('number'),
    space: text,
    faces: list(object({ box: ref('Box'), confidence: number, of: { type: 'integer', minimum: 1 } })),
  }),
  FacesAnswer: object({
    space: text,
    faces: list(object({ box: ref('Box'), confidence: number, embedding: list(number) }, ['embedding'])),
  }),
} satisfies Record<string, Schema>;

const galleryAnswers = {
  Domain: object({ domain: text, mode, space, persons: count, faces: count }),
  Domains: page('Domain'),
  DomainMode: object({
    domain: text,
    mode,
    source: { enum: ['own', 'variables', 'default', 'remembered', 'rolled-back-here'] },
    watch: { type: ['object', 'null'], properties: { until: text, by: text } },
  }),
  Stats: object({
    domains: list(object({ domain: text, mode, space, persons: count, faces: count, facesPerPerson: number })),
  }),
  Person: object({
    id: text,
    name: text,
    domain: text,
    wikidataId: nullable('string'),
    occupation: nullable('string'),
    createdAt: text,
    updatedAt: text,
  }),
  Persons: page('Person'),
  Face: object({
    id: text,
    personId: text,
    domain: text,
    imagePath: text,
    faceNumber: { type: 'integer', minimum: 1 },
    createdAt: text,
    box: { type: ['object', 'null'] },
    landmarks: { type: ['array', 'null'] },
    confidence: nullable('number'),
    imageSha256: nullable('string'),
    legacyHash: nullable('string'),
    flags: list(text),
  }),
  Faces: page('Face'),
  AuditRecord: object({
    id: text,
    at: text,
    domain: nullable('string', 'null: about no single domain'),
    action: text,
    who: { ...text, description: 'a key, a user of the machine, or Kith itself' },
    why: nullable('string'),
    details: { type: 'object' },
  }),
  Audit: page('AuditRecord'),
  ShadowReport: object({
    domain: text,
    comparisons: count,
    agreement: nullable('number'),
    interval: { type: 'array', items: number, minItems: 2, maxItems: 2 },
    differences: { type: 'object', additionalProperties: count },
    latency: { type: 'object' },
    verdict: { enum: ['ready', 'not ready'] },
    reasons: list(text),
  }),
} satisfies Record<string, Schema>;

const serviceAnswers = {
  Liveness: object({ status: { const: 'ok' } }),
  Health: object({
    status: { enum: ['ok', 'failing', 'starting'] },
    service: object({ version: text, uptimeSeconds: number }),
    database: object({ ok: { type: 'boolean' }, detail: text }),
    model: object({ ok: { type: 'boolean' }, detail: text }),
    index: object({ ok: { type: 'boolean' }, detail: text }),
  }),
  Problem: {
    ...object({ type: text, title: text, status: count, detail: text, instance: text, code: text, hint: text }, [
      'hint',
    ]),
    description: 'RFC 9457; `code` is stable and stands in docs/errors.md',
  },
} satisfies Record<string, Schema>;

const requests = {
  PhotoRequest: {
    ...object(
      { image: { ...text, description: 'base64' }, domain: text, threshold: number, topK: count, space: text },
      ['domain', 'threshold', 'topK', 'space'],
    ),
  },
  TwoPhotosRequest: object(
    {
      images: { ...list(text), description: 'two photos, base64', minItems: 2, maxItems: 2 },
      threshold: number,
      space: text,
    },
    ['threshold', 'space'],
  ),
  ModeRequest: object(
    {
      mode: { enum: ['pkl', 'dual', 'pgvector', null], description: "null: none of the domain's own" },
      reason: { ...text, description: 'recorded with the change' },
    },
    ['reason'],
  ),
  SearchRequest: object({ embedding: list(number), domain: text, threshold: number, topK: count }, [
    'domain',
    'threshold',
    'topK',
  ]),
} satisfies Record<string, Schema>;

export const SCHEMAS = { ...answers, ...galleryAnswers, ...serviceAnswers, ...requests };
export type SchemaName = keyof typeof SCHEMAS;
export const schemaRef = (name: SchemaName): Schema => ref(name);
