import { POOL_SIZE } from '../config/pool-size.js';
import { KithError } from '../errors.js';
import type { Database, Queryable, QueryOptions } from './database.js';
import type { DomainSettings, Mode } from './domain.js';
import { DomainCache } from './domain-cache.js';
import { buildDomainIndex, type IndexShape, isForbidden, wantsOwnIndex } from './domain-index.js';
import { openEmbeddedDatabase } from './embedded-database.js';
import type {
  Gallery,
  GalleryOperations,
  GalleryOptions,
  Health,
  Probe,
  SchemaStatus,
  SearchAnswer,
  SearchOptions,
} from './gallery.js';
import { galleryHealth } from './gallery-health.js';
import { DatabaseOperations } from './gallery-operations.js';
import { wholeNumber } from './option-check.js';
import { type LiveRecall, LiveRecallSampler } from './recall-live.js';
import { type TuneOptions, type TuneReport, tuneDomain } from './recall-tune.js';
import { migrateSchema } from './schema-migrate.js';
import { assertCurrent, schemaStatus } from './schema-status.js';
import { readSearchFacts } from './search-choice.js';
import { openServerDatabase } from './server-database.js';

const ownMode = ({ mode }: DomainSettings): Mode => mode ?? 'pgvector';

/** The gallery of a database, whichever kind it is. */
class DatabaseGallery extends DatabaseOperations implements Gallery {
  readonly database: Database;
  readonly #cache: DomainCache;
  readonly #modeOf: (domain: DomainSettings) => Mode;

  readonly #sampler: LiveRecallSampler;

  constructor(database: Database, modeOf: (domain: DomainSettings) => Mode, recallShare: number) {
    const cache = new DomainCache(database);
    super({
      database,
      cache,
      modeOf,
      inTransaction: false,
      atomically: (work, options) => database.transaction(work, options),
    });
    this.database = database;
    this.#cache = cache;
    this.#modeOf = modeOf;
    this.#sampler = new LiveRecallSampler(recallShare);
  }

  override async search(probe: Probe, domain: string, options?: SearchOptions): Promise<SearchAnswer> {
    const answer = await super.search(probe, domain, options);
    const { candidates, plan } = answer;
    const { signal: _signal, ...again } = options ?? {};
    this.#sampler.offer({
      domain,
      plan,
      candidates,
      repeat: async () => (await super.search(probe, domain, { ...again, exact: true })).candidates,
    });
    return answer;
  }

  get liveRecall(): ReadonlyMap<string, LiveRecall> {
    return this.#sampler.recall;
  }

  async tune(domain: string, options: TuneOptions): Promise<TuneReport> {
    const report = await tuneDomain(this.database, domain, options);
    this.#cache.forget(domain);
    return report;
  }

  async rebuildIndex(name: string, shape?: IndexShape, options?: QueryOptions): Promise<boolean> {
    const built = await buildDomainIndex(this.database, await this.domain(name, options), shape, options);
    this.#cache.forget(name);
    return built;
  }

  async optimize(options?: QueryOptions): Promise<readonly string[]> {
    const built: string[] = [];
    for (const domain of await this.domains(options)) {
      if (!wantsOwnIndex(await readSearchFacts(this.database, domain, options))) continue;
      try {
        if (await this.rebuildIndex(domain.domain, {}, options)) built.push(domain.domain);
      } catch (error) {
        if (!isForbidden(error)) throw error;
      }
    }
    return built;
  }

  schema(options?: QueryOptions): Promise<SchemaStatus> {
    return schemaStatus(this.database, options);
  }

  async migrateSchema(options?: QueryOptions): Promise<readonly number[]> {
    const applied = await migrateSchema(this.database, options);
    this.#cache.forget();
    return applied;
  }

  healthCheck(options?: QueryOptions): Promise<Health> {
    return galleryHealth(this.database, this.liveRecall, options);
  }

  async transaction<T>(work: (operations: GalleryOperations, database: Queryable) => Promise<T>): Promise<T> {
    try {
      return await this.database.transaction((database) => work(this.#inside(database), database));
    } finally {
      this.#cache.forget();
    }
  }

  #inside(database: Queryable): GalleryOperations {
    return new DatabaseOperations({
      database,
      cache: this.#cache,
      modeOf: this.#modeOf,
      inTransaction: true,
      atomically: (work) => work(database),
    });
  }

  async close(): Promise<void> {
    await this.#sampler.settled();
    await this.database.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function share({ recallShare = 0 }: GalleryOptions): number {
  if (recallShare >= 0 && recallShare <= 1) return recallShare;
  throw new KithError('gallery-option', { option: 'recallShare', allowed: 'a number from 0 to 1', given: recallShare });
}

function openDatabase({ location, poolSize, statementTimeout }: GalleryOptions): Database {
  switch (location.kind) {
    case 'postgres':
      return openServerDatabase(location.connection, {
        poolSize: wholeNumber('poolSize', poolSize, [POOL_SIZE.min, POOL_SIZE.max], POOL_SIZE.default),
        statementTimeout: wholeNumber('statementTimeout', statementTimeout, [0, 86_400_000], 0),
      });
    case 'embedded':
      return openEmbeddedDatabase(location.folder);
  }
}

/**
 * Opens the gallery of a database whose schema is up to date, or brings it up to date with `schema: 'migrate'`.
 * Otherwise throws `schema-missing`, `schema-old`, `schema-not-taken-over` or `schema-newer`; `schema: 'any'` leaves
 * the schema unlooked at, for those who report on it.
 */
export async function openGallery(options: GalleryOptions): Promise<Gallery> {
  const gallery = new DatabaseGallery(openDatabase(options), options.modeOf ?? ownMode, share(options));
  try {
    if (options.schema === 'migrate') await gallery.migrateSchema();
    else if (options.schema !== 'any') assertCurrent(await gallery.schema());
    return gallery;
  } catch (error) {
    await gallery.close().catch(() => undefined);
    throw error;
  }
}
