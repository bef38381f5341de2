import type { SchemaName } from './schemas.js';

/** What a key must be good for; without keys everybody on the loopback may do everything. */
export type Scope = 'recognise' | 'enrol' | 'admin';

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly description: string;
  readonly required?: boolean;
  readonly schema: Readonly<Record<string, unknown>>;
}

/** What a route says of itself: `/openapi.json` and `/docs` are made of it, and the key check reads its scope. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  /** `null`: open to everybody, as health checks are. */
  readonly scope: Scope | null;
  readonly parameters?: readonly Parameter[];
  readonly body?: 'photo' | 'two-photos' | SchemaName;
  /** A schema's name, or the media type of an answer that is not JSON. */
  readonly answer: SchemaName | { readonly mediaType: string };
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation;
  }
}

const domain = 'the gallery to search';

export const DOMAIN_QUERY: Parameter = {
  name: 'domain',
  in: 'query',
  description: domain,
  required: true,
  schema: { type: 'string' },
};

export const DOMAIN_PATH: Parameter = { ...DOMAIN_QUERY, in: 'path' };

export const THRESHOLD: Parameter = {
  name: 'threshold',
  in: 'query',
  description: "largest distance that counts as a match; the domain's own, else DeepFace's for the space",
  schema: { type: 'number', minimum: 0 },
};

export const TOP_K: Parameter = {
  name: 'topK',
  in: 'query',
  description: 'distinct persons wanted',
  schema: { type: 'integer', minimum: 1, maximum: 1000, default: 5 },
};

export const SPACE: Parameter = {
  name: 'space',
  in: 'query',
  description: "name of an embedding space; the bundled engine's unless given",
  schema: { type: 'string', examples: ['model_arcface_detector_retinaface_aligned_normalization_base_expand_0'] },
};

export const PAGE: readonly Parameter[] = [
  {
    name: 'cursor',
    in: 'query',
    description: '`next` of the page before',
    schema: { type: 'string' },
  },
  {
    name: 'limit',
    in: 'query',
    description: 'items of a page',
    schema: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
  },
];
