import type { Database, Queryable, QueryOptions } from './database.js';
import type { DomainSettings, Mode } from './domain.js';
import { DomainCache } from './domain-cache.js';
import { openEmbeddedDatabase } from './embedded-database.js';
import type { Gallery, GalleryOperations, GalleryOptions, Health, SchemaStatus } from './gallery.js';
import { galleryHealth } from './gallery-health.js';
import { DatabaseOperations } from './gallery-operations.js';
import { wholeNumber } from './option-check.js';
import { migrateSchema } from './schema-migrate.js';
import { assertCurrent, schemaStatus } from './schema-status.js';
import { openServerDatabase } from './server-database.js';

const ownMode = ({ mode }: DomainSettings): Mode => mode ?? 'pgvector';

/** The gallery of a database, whichever kind it is. */
class DatabaseGallery extends DatabaseOperations implements Gallery {
  readonly database: Database;
  readonly #cache: DomainCache;
  readonly #modeOf: (domain: DomainSettings) => Mode;

  constructor(database: Database, modeOf: (domain: DomainSettings) => Mode) {
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
    return galleryHealth(this.database, options);
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

  close(): Promise<void> {
    return this.database.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function openDatabase({ location, poolSize, statementTimeout }: GalleryOptions): Database {
  switch (location.kind) {
    case 'postgres':
      return openServerDatabase(location.connection, {
        poolSize: wholeNumber('poolSize', poolSize, [1, 100], 10),
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
  const gallery = new DatabaseGallery(openDatabase(options), options.modeOf ?? ownMode);
  try {
    if (options.schema === 'migrate') await gallery.migrateSchema();
    else if (options.schema !== 'any') assertCurrent(await gallery.schema());
    return gallery;
  } catch (error) {
    await gallery.close().catch(() => undefined);
    throw error;
  }
}
