import type { FastifyInstance } from 'fastify';
import { KithError } from '../../errors.js';
import { docsPage } from '../docs-page.js';
import { healthOf } from '../health.js';
import { type DocumentedRoute, openapiDocument } from '../openapi.js';
import type { Operation } from '../operation.js';
import type { ServiceState } from '../service-state.js';

const open = (id: string, summary: string, answer: Operation['answer']): Operation => ({
  id,
  summary,
  scope: null,
  answer,
});

const HEALTH = open('health', 'Service, database, model and index; 503 when it cannot recognise.', 'Health');
const LIVEZ = open('livez', 'The process answers.', 'Liveness');
const READYZ = open('readyz', 'Started, and able to recognise.', 'Liveness');
const OPENAPI = open('openapi', 'This description, for machines.', { mediaType: 'application/json' });
const DOCS = open('docs', 'This description, for people.', { mediaType: 'text/html' });

export interface About {
  readonly version: string;
  /** `http://host:port`, for the example on the page. */
  readonly address: () => string;
}

/** What operators and probes ask; none of it needs a key. */
export function serviceRoutes(
  app: FastifyInstance,
  state: ServiceState,
  routes: readonly DocumentedRoute[],
  about: About,
): void {
  app.get('/livez', { config: { operation: LIVEZ } }, async () => ({ status: 'ok' }));
  app.get('/readyz', { config: { operation: READYZ } }, async () => {
    const { stage } = state;
    switch (stage.name) {
      case 'ready':
        return { status: 'ok' };
      case 'starting':
        throw new KithError('starting', { step: stage.step });
      case 'stopping':
        throw new KithError('stopping', {});
    }
  });
  app.get('/health', { config: { operation: HEALTH } }, async (request, reply) => {
    const health = await healthOf(state, about.version, request.cancel);
    return reply.code(health.status === 'ok' ? 200 : 503).send(health);
  });
  app.get('/openapi.json', { config: { operation: OPENAPI } }, async () => openapiDocument(routes, about.version));
  app.get('/docs', { config: { operation: DOCS } }, async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(docsPage(routes, about.address())),
  );
}
