import { stat } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Gallery } from '../gallery/gallery.js';
import { readBulkProgress } from '../ops/bulk-progress.js';
import { readDomainFigures, readIndexStates } from '../ops/gallery-figures.js';
import type { DomainState, PoolState } from '../ops/metric-states.js';
import type { Metrics } from '../ops/metrics.js';
import type { RecognitionEvent } from '../recognition/options.js';
import type { ObserveStages } from './observed-engine.js';
import type { Operation } from './operation.js';
import type { ServiceState } from './service-state.js';
import type { Services } from './services.js';
import type { Tracing } from './tracing.js';

const METRICS: Operation = {
  id: 'metrics',
  summary: 'Figures for Prometheus.',
  scope: null,
  answer: { mediaType: 'text/plain' },
};

/** Measures every request, and serves `/metrics`. */
export function instrument(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method } = request;
    const route = request.routeOptions.url ?? 'unknown';
    metrics.observeRequest({ method, route, status: reply.statusCode, seconds: reply.elapsedTime / 1000 });
  });
  app.get('/metrics', { config: { operation: METRICS } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
}

/** Where the gauges ask for their values; figures that need the services are absent before they are open. */
export function watchState(metrics: Metrics, state: ServiceState, queueLimit: number): void {
  const isReady = (): boolean => state.stage.name === 'ready';
  metrics.watch({
    ready: isReady,
    queue: () => {
      const { waiting, running } = isReady() ? state.services.engines.load : { waiting: 0, running: 0 };
      return { waiting, running, limit: queueLimit };
    },
    pool: async () => (isReady() ? poolState(await state.services.gallery()) : null),
    domains: async () => (isReady() ? domainStates(state.services) : []),
    bulk: async () => (isReady() ? readBulkProgress((await state.services.gallery()).database) : []),
    recall: async () => {
      if (!isReady()) return [];
      const { liveRecall } = await state.services.gallery();
      return [...liveRecall].map(([domain, { found, wanted }]) => ({ domain, found, wanted }));
    },
    indexes: async () => (isReady() ? readIndexStates((await state.services.gallery()).database) : []),
  });
}

function poolState({ database }: Gallery): PoolState {
  const { total, idle, waiting, limit } = database.load;
  return { idle, busy: total - idle, waiting, limit };
}

async function ageOf(path: string | undefined): Promise<number | null> {
  if (path === undefined) return null;
  return stat(path).then(
    ({ mtimeMs }) => (Date.now() - mtimeMs) / 1000,
    () => null,
  );
}

async function domainStates(services: Services): Promise<readonly DomainState[]> {
  const { recognition } = services;
  const [{ domains }, { datastores }, figures] = await Promise.all([
    recognition.stats(),
    recognition.status(),
    services.gallery().then(({ database }) => readDomainFigures(database)),
  ]);
  return Promise.all(
    domains.map(async ({ domain, mode, persons, faces }) => {
      const age = await ageOf(datastores.get(domain)?.path);
      const { shadowComparisons, shadowAgreement, lastMigration } = figures.get(domain) ?? {};
      return {
        domain,
        mode,
        persons,
        faces,
        ...(age === null ? {} : { datastoreAgeSeconds: age }),
        ...(shadowComparisons ? { shadowComparisons } : {}),
        ...(shadowAgreement == null ? {} : { shadowAgreement }),
        ...(lastMigration == null ? {} : { lastMigration }),
      };
    }),
  );
}

/** The engines' times, for the metrics and the traces. */
export function stageListener(metrics: Metrics, tracing: Pick<Tracing, 'stage'>): ObserveStages {
  return (space, { detect, embed }) => {
    metrics.observeDetect(space, detect / 1000);
    tracing.stage('kith.detect', detect, { 'kith.space': space });
    if (embed === 0) return;
    metrics.observeEmbed(space, embed / 1000);
    tracing.stage('kith.embed', embed, { 'kith.space': space });
  };
}

/** Recognition's events, for the log, the metrics and the traces. */
export function eventListener(
  logger: Logger,
  metrics: Metrics,
  tracing: Pick<Tracing, 'stage'>,
): (event: RecognitionEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'datastore-alert':
        metrics.countReloadFailure(event.domain);
        return logger.error(event, 'a changed datastore cannot be used, the old one goes on serving');
      case 'datastore-loaded':
        return logger.info(event, 'datastore loaded');
      case 'signature-stale':
        return logger.warn(event, 'faces were written to a signed datastore, its signature no longer fits');
      case 'searched':
        metrics.observeSearch(event.domain, event.mode, event.milliseconds / 1000);
        return tracing.stage('kith.search', event.milliseconds, {
          'kith.domain': event.domain,
          'kith.mode': event.mode,
        });
      case 'shadow-dropped':
        metrics.countShadowDropped(event.domain);
        return logger.warn(event, 'shadow comparison dropped');
      case 'shadow-compared':
        metrics.countShadow(event.domain, event.agreed ? 'agreed' : (event.class ?? 'unexplained'));
        return;
      case 'gallery-unavailable':
        return logger.error(event, 'the database does not answer');
      case 'mode-changed':
        return logger.info(event, 'mode changed');
      case 'rolled-back':
        metrics.countRollback(event.domain, 'automatic');
        return logger.error(event, 'rolled back');
    }
  };
}
