import type { Config } from '../config/schema.js';
import { KithError } from '../errors.js';
import type { DatabaseLocation } from '../gallery/connection.js';
import type { Gallery, SchemaStatus } from '../gallery/gallery.js';
import type { RecognitionEvent } from '../recognition/options.js';
import type { Recognition } from '../recognition/recognition.js';
import { BUNDLED_SPACE, EngineSource } from './engine-source.js';
import type { ObserveStages } from './observed-engine.js';

/** The rooms put together by the configuration: what commands and routes work with. */
export interface Services extends AsyncDisposable {
  readonly recognition: Recognition;
  /** The open gallery. Throws what opening it throws; asked again, it tries again. */
  gallery(): Promise<Gallery>;
  readonly engines: EngineSource;
}

interface DatabaseOptions {
  /** `migrate` brings the schema up to date on opening: `serve`, `migrate`, `enroll`; `any` does not look at it. */
  readonly schema?: 'current' | 'migrate' | 'any';
  readonly create?: boolean;
  /** Another database than the configuration's. */
  readonly location?: DatabaseLocation;
  /** Share of searches that are repeated exactly, to measure recall; none unless given. */
  readonly recallShare?: number;
}

export interface ServiceOptions extends DatabaseOptions {
  readonly onEvent?: (event: RecognitionEvent) => void;
  readonly onStages?: ObserveStages;
  /** Bring faces added to a cut-over domain to its datastore: the service does. */
  readonly maintain?: boolean;
}

/** Where the configuration says the database is. Throws what a broken URL or secret throws. */
export async function databaseLocation(config: Config): Promise<DatabaseLocation> {
  const { resolveDatabaseConnection } = await import('../config/database-connection.js');
  const connection = await resolveDatabaseConnection();
  return connection === null ? { kind: 'embedded', folder: config.data } : { kind: 'postgres', connection };
}

/**
 * The gallery of the configuration, open. The caller closes it. An embedded database is made where there is none
 * when the schema is brought up to date or `create` says so; otherwise that is `schema-missing`.
 */
export async function openDatabaseOf(
  config: Config,
  { schema = 'current', create = schema === 'migrate', location, recallShare = 0 }: DatabaseOptions = {},
): Promise<Gallery> {
  const { openGallery } = await import('../gallery/open-gallery.js');
  const { embeddedDatabaseExists } = await import('../gallery/embedded-folder.js');
  const where = location ?? (await databaseLocation(config));
  if (where.kind === 'embedded' && !create && !embeddedDatabaseExists(where.folder))
    throw new KithError('schema-missing', {});
  return openGallery({ location: where, poolSize: config.poolSize, schema, recallShare });
}

/** The schema of the configuration's database; a missing embedded database is a missing schema, and stays missing. */
export async function schemaStatusOf(config: Config, signal: AbortSignal): Promise<SchemaStatus> {
  try {
    await using gallery = await openDatabaseOf(config, { schema: 'any' });
    return await gallery.schema({ signal });
  } catch (error) {
    if (error instanceof KithError && error.code === 'schema-missing') return { state: 'missing' };
    throw error;
  }
}

/** A gallery that may be absent; disposing closes it. */
export interface MaybeGallery extends AsyncDisposable {
  readonly opened: Gallery | null;
}

const maybe = (opened: Gallery | null): MaybeGallery => ({
  opened,
  [Symbol.asyncDispose]: async () => opened?.close(),
});

/**
 * The gallery that a migration works on. A dry run compares with a database that is there and ready, makes none,
 * and goes on without one.
 */
export async function openMigrationGallery(
  config: Config,
  purpose: 'write' | 'read' | 'dry-run',
): Promise<MaybeGallery> {
  if (purpose !== 'dry-run')
    return maybe(await openDatabaseOf(config, { schema: purpose === 'write' ? 'migrate' : 'current' }));
  try {
    return maybe(await openDatabaseOf(config));
  } catch (error) {
    if (error instanceof KithError) return maybe(null);
    throw error;
  }
}

/** Opens once, shares what was opened, and forgets a failure so that the next call tries again. */
class Once<T> {
  readonly #open: () => Promise<T>;
  #opened: Promise<T> | null = null;

  constructor(open: () => Promise<T>) {
    this.#open = open;
  }

  get(): Promise<T> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
    return this.#opened;
  }

  /** What was opened, or null; never opens. */
  async opened(): Promise<T | null> {
    return this.#opened === null ? null : this.#opened.catch(() => null);
  }
}

type Validation = { readonly ok: number; readonly missing: number; readonly extra: number; readonly different: number };

/** Migration's validation of a domain, summed over its datastores: the gate of a cutover asks for it. */
async function validateDomain(
  config: Config,
  domain: string,
  gallery: Gallery,
  signal?: AbortSignal,
): Promise<Validation> {
  const { migrate } = await import('../migration/migrate.js');
  const { isFailed } = await import('../migration/report.js');
  const { storage } = config;
  const stop = signal === undefined ? {} : { signal };
  const reports = await migrate(gallery, { storage, domains: [domain], validateOnly: true, ...stop });
  const sum = { ok: 0, missing: 0, extra: 0, different: 0 };
  for (const report of reports) {
    if (isFailed(report)) throw new KithError('domain-not-validated', { domain, why: report.error.message });
    for (const key of ['ok', 'missing', 'extra', 'different'] as const) sum[key] += report.validated?.[key] ?? 0;
  }
  return sum;
}

/** The rooms put together: nothing is reached for before it is asked for. */
class ConfiguredServices implements Services {
  readonly recognition: Recognition;
  readonly engines: EngineSource;
  readonly #gallery: Once<Gallery>;

  constructor(recognition: Recognition, gallery: Once<Gallery>, engines: EngineSource) {
    this.recognition = recognition;
    this.engines = engines;
    this.#gallery = gallery;
  }

  gallery(): Promise<Gallery> {
    return this.#gallery.get();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.recognition[Symbol.asyncDispose]();
    await this.engines[Symbol.asyncDispose]();
    await (await this.#gallery.opened())?.close();
  }
}

/** Puts the rooms together as the configuration says. Neither database nor engine is opened by that. */
export async function openServices(config: Config, options: ServiceOptions = {}): Promise<Services> {
  const { openRecognition } = await import('../recognition/open.js');
  const gallery = new Once(() => openDatabaseOf(config, options));
  const engines = new EngineSource(config, options.onStages);
  const recognition = openRecognition({
    gallery: () => gallery.get(),
    storage: config.storage,
    data: config.data,
    variables: { enabled: config.enabled, dualMode: config.dualMode },
    margin: config.margin,
    openEngine: (space) => engines.open(space),
    bundledSpace: BUNDLED_SPACE,
    photoLimits: { maxBytes: config.maxPhotoBytes, maxPixels: config.maxPhotoPixels },
    shadow: {
      sampling: config.shadowSampling,
      retentionDays: config.shadowDays,
      queue: config.shadowQueue,
      latencyBudget: config.latencyBudget,
    },
    validate: (domain, opened, signal) => validateDomain(config, domain, opened, signal),
    maintain: options.maintain ?? false,
    ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
  });
  return new ConfiguredServices(recognition, gallery, engines);
}
