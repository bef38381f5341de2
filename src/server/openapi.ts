import type { FastifyInstance } from 'fastify';
import type { Operation } from './operation.js';
import { SCHEMAS, schemaRef } from './schemas.js';

type Json = Readonly<Record<string, unknown>>;

export interface DocumentedRoute {
  readonly method: string;
  /** As OpenAPI spells it: `/api/v1/domains/{domain}`. */
  readonly path: string;
  readonly operation: Operation;
}

/** Collects every route that is registered from now on and says what it is; `HEAD` twins are left out. */
export function collectRoutes(app: FastifyInstance): DocumentedRoute[] {
  const routes: DocumentedRoute[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    const operation = config?.operation;
    if (operation === undefined || typeof method !== 'string' || method === 'HEAD') return;
    routes.push({ method: method.toLowerCase(), path: url.replace(/:(\w+)/g, '{$1}'), operation });
  });
  return routes;
}

const binary = { schema: { type: 'string', contentMediaType: 'application/octet-stream' } };

function formOf(files: readonly string[], jsonSchema: 'PhotoRequest' | 'TwoPhotosRequest'): Json {
  const properties = Object.fromEntries(files.map((name) => [name, binary.schema]));
  return {
    'multipart/form-data': { schema: { type: 'object', properties, required: files } },
    'application/json': { schema: schemaRef(jsonSchema) },
  };
}

function requestBody(body: NonNullable<Operation['body']>): Json {
  switch (body) {
    case 'photo':
      return {
        required: true,
        content: {
          'image/*': binary,
          'application/octet-stream': binary,
          ...formOf(['photo'], 'PhotoRequest'),
        },
      };
    case 'two-photos':
      return { required: true, content: formOf(['photo1', 'photo2'], 'TwoPhotosRequest') };
    default:
      return { required: true, content: { 'application/json': { schema: schemaRef(body) } } };
  }
}

function describeAnswer({ answer }: Operation): Json {
  const content =
    typeof answer === 'string'
      ? { 'application/json': { schema: schemaRef(answer) } }
      : { [answer.mediaType]: { schema: { type: 'string' } } };
  return { description: 'the answer', content };
}

const problem = {
  description: 'a fault of the catalogue',
  content: { 'application/problem+json': { schema: schemaRef('Problem') } },
};

function describeOperation(operation: Operation): Json {
  return {
    operationId: operation.id,
    summary: operation.summary,
    ...(operation.scope === null ? {} : { security: [{ key: [] }, {}], 'x-scope': operation.scope }),
    ...(operation.parameters === undefined ? {} : { parameters: operation.parameters }),
    ...(operation.body === undefined ? {} : { requestBody: requestBody(operation.body) }),
    responses: { 200: describeAnswer(operation), default: problem },
  };
}

/** The OpenAPI 3.1 document of the collected routes. */
export function openapiDocument(routes: readonly DocumentedRoute[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const { method, path, operation } of routes) {
    paths[path] ??= {};
    paths[path][method] = describeOperation(operation);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Kith', version, license: { name: 'MIT', identifier: 'MIT' } },
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'kith keys create' } },
    },
  };
}
