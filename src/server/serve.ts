import { once } from 'node:events';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/schema.js';
import { tracingSettings } from '../config/tracing.js';
import { KithError } from '../errors.js';
import { buildPendingIndexes } from '../migration/index-pending.js';
import { ApiKeys } from '../ops/keys.js';
import { Metrics } from '../ops/metrics.js';
import { PidFile, ProcessLock } from '../ops/process-lock.js';
import { ServiceNotifier } from '../ops/service-notifier.js';
import type { EnrolReport } from '../recognition/enrol.js';
import { type App, createApp } from './app.js';
import { authorizeRequests } from './authorize.js';
import { eventListener, instrument, stageListener, watchState } from './instrument.js';
import { assertMayListen, listen } from './listen.js';
import { collectRoutes } from './openapi.js';
import { auditRoutes, domainRoutes, personRoutes } from './routes/gallery-routes.js';
import { photoRoutes } from './routes/photo-routes.js';
import { serviceRoutes } from './routes/service-routes.js';
import { ensureSampleGallery } from './sample-gallery.js';
import { ServiceLog } from './service-log.js';
import { ServiceState } from './service-state.js';
import { openServices, type Services } from './services.js';
import { openTracing } from './tracing.js';
import { packageVersion } from './version.js';
import { welcome } from './welcome.js';

export interface ServeOptions {
  /** A line for the person who started the service. */
  readonly say: (line: string) => void;
  /** The end: what is in flight is finished. */
  readonly signal: AbortSignal;
}

/** How long a start may be silent while it works, seconds; told to systemd three times as often. */
const START_SILENCE = 90;

/** Where the service keeps whether it has keys, for when the database is away. */
const keyMemory = (config: Config): string => join(config.data, 'keys-known');

/** The service's HTTP side, complete and not listening. `address` is asked when a page is made. */
export function buildApp(
  config: Config,
  logger: Logger,
  metrics: Metrics,
  state: ServiceState,
  address: () => string,
): App {
  const app = createApp(config, logger, (code) => metrics.countError(code));
  const routes = collectRoutes(app);
  watchState(metrics, state, config.queue);
  instrument(app, metrics);
  serviceRoutes(app, state, routes, { version: packageVersion(), address });
  const keys = new ApiKeys(
    { query: async (statement, options) => (await state.services.gallery()).database.query(statement, options) },
    keyMemory(config),
  );
  void app.register(
    async (api) => {
      authorizeRequests(api, keys);
      photoRoutes(api, state);
      domainRoutes(api, state);
      personRoutes(api, state);
      auditRoutes(api, state);
    },
    { prefix: '/api/v1' },
  );
  return app;
}

/**
 * Runs the service until `signal`: binds the port, opens database and engine, enrols the sample gallery where it is
 * due, says where it is; then finishes what is in flight within the configured time and closes everything.
 * Throws `port-busy`, `port-forbidden`, `host-without-key`, and what opening the gallery throws.
 */
export async function serve(config: Config, options: ServeOptions): Promise<void> {
  using log = new ServiceLog(config);
  const { logger } = log;
  const metrics = new Metrics({ version: packageVersion() });
  const state = new ServiceState();
  let address = '';
  const app = buildApp(config, logger, metrics, state, () => address);
  await using tracing = await openTracing(tracingSettings(), packageVersion());
  tracing.traceRequests(app);
  await using _lock = await ProcessLock.acquire(join(config.data, 'service.lock'), `the data folder ${config.data}`);
  await using _pid = config.pidFile === null ? null : await PidFile.write(config.pidFile);
  using notifier = new ServiceNotifier((why) => logger.warn({ why }, 'systemd cannot be told'));
  notifier.extendStartWhile(START_SILENCE, () => stepOf(state));
  await using services = await openServices(config, {
    schema: 'migrate',
    maintain: true,
    recallShare: config.recallShare,
    onEvent: eventListener(logger, metrics, tracing),
    onStages: stageListener(metrics, tracing),
  });
  await assertMayListen(config, async () =>
    new ApiKeys((await services.gallery()).database, keyMemory(config)).anyKnown(),
  );
  try {
    address = await listen(app, config);
    const sample = await prepare(config, state, services, options.signal);
    state.ready(services);
    void finishMigration(services, options.signal).catch((error: unknown) =>
      logger.warn({ err: error }, 'an index waits to be built'),
    );
    for (const line of await greet(config, services, address, sample)) options.say(line);
    await notifier.ready(`listening on ${address}`);
    notifier.watch(() => true);
    if (!options.signal.aborted) await once(options.signal, 'abort');
  } catch (error) {
    // A stop in the middle of a start is a stop.
    if (!options.signal.aborted) throw error;
  } finally {
    state.stopping();
    await notifier.stopping();
    await closeWithin(app, config.shutdownSeconds);
  }
}

const stepOf = ({ stage }: ServiceState): string => (stage.name === 'starting' ? stage.step : stage.name);

/** Opens what answers, and enrols the sample gallery on a first start. A server that is down keeps nobody from starting. */
async function prepare(
  config: Config,
  state: ServiceState,
  services: Services,
  signal: AbortSignal,
): Promise<EnrolReport | null> {
  state.starting('loading the engine, opening the database and bringing its schema up to date');
  const engine = services.engines.warm();
  // Awaited below; until then its failure is not an unhandled one.
  engine.catch(() => undefined);
  const reached = await isReached(services);
  await engine;
  if (!reached) return null;
  state.starting('enrolling the sample gallery');
  return ensureSampleGallery(config, services, signal);
}

/** A migration that was killed may have left an index to be built; searches are exact until it is. */
async function finishMigration(services: Services, signal: AbortSignal): Promise<void> {
  const { database } = await services.gallery();
  await buildPendingIndexes(database, signal);
}

/** Whether the database answers. Domains with a datastore are served without it, and every request tries it again. */
async function isReached(services: Services): Promise<boolean> {
  try {
    await services.gallery();
    return true;
  } catch (error) {
    if (error instanceof KithError && AWAY.has(error.code)) return false;
    throw error;
  }
}

const AWAY: ReadonlySet<string> = new Set(['database-unreachable', 'database-busy']);

async function greet(
  config: Config,
  services: Services,
  address: string,
  sample: EnrolReport | null,
): Promise<Iterable<string>> {
  if (!(await isReached(services))) return welcome({ address, database: null, sample, domains: [] });
  const { kind } = (await services.gallery()).database;
  const database = kind === 'embedded' ? `embedded database in ${config.data}` : 'PostgreSQL';
  const { domains } = await services.recognition.stats();
  const filled = domains.filter(({ faces }) => faces > 0).map(({ domain }) => domain);
  return welcome({ address, database, sample, domains: filled });
}

/** Stops accepting, lets requests finish, and cuts off what is not done by then. */
async function closeWithin(app: App, seconds: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), seconds * 1000);
  await app.close();
  clearTimeout(timer);
}
