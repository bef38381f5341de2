import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Metrics } from '../ops/metrics.js';
import type { RecognitionEvent } from '../recognition/options.js';
import type { Operation } from './operation.js';
import type { ServiceState } from './service-state.js';

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
export function watchState(metrics: Metrics, state: ServiceState): void {
  metrics.watch({
    ready: () => state.stage.name === 'ready',
    domains: async () => {
      if (state.stage.name !== 'ready') return [];
      return (await state.services.recognition.stats()).domains;
    },
  });
}

/** Recognition's events, for the log and the metrics. */
export function eventListener(logger: Logger, metrics: Metrics): (event: RecognitionEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'datastore-alert':
        metrics.countReloadFailure(event.domain);
        return logger.error(event, 'a changed datastore cannot be used, the old one goes on serving');
      case 'datastore-loaded':
        return logger.info(event, 'datastore loaded');
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
