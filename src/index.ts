import { loadConfig } from './config/config.js';
import { connectionOfUrl, resolveDatabaseConnection } from './config/database-connection.js';
import type { DatabaseLocation } from './gallery/connection.js';
import type { Gallery, GalleryOptions } from './gallery/gallery.js';
import { openGallery as openGalleryAt } from './gallery/open-gallery.js';

export interface OpenOptions extends Omit<GalleryOptions, 'location'> {
  /** A PostgreSQL URL; without one the configuration's (`VECTOR_DB_URL`), else the embedded database. */
  readonly url?: string;
  /** Folder of the embedded database; the configuration's (`KITH_DATA`) unless given. */
  readonly data?: string;
}

async function locate({ url, data }: OpenOptions): Promise<DatabaseLocation> {
  if (url !== undefined) return { kind: 'postgres', connection: await connectionOfUrl(url) };
  if (data !== undefined) return { kind: 'embedded', folder: data };
  const connection = await resolveDatabaseConnection();
  return connection === null ? { kind: 'embedded', folder: loadConfig().data } : { kind: 'postgres', connection };
}

/**
 * Opens a gallery: persons and faces in a database, searched within a domain.
 *
 * ```ts
 * await using gallery = await openGallery({ url: 'postgresql://kith@db/faces' });
 * const candidates = await gallery.findMatches(embedding, 'slovenia', { threshold: 0.5, topK: 3 });
 * ```
 *
 * Throws `schema-missing`, `schema-old`, `schema-not-taken-over` or `schema-newer` unless the schema is up to date
 * (`schema: 'migrate'` makes it so), and `config-…` or `database-…` when the database cannot be reached.
 */
export async function openGallery(options: OpenOptions = {}): Promise<Gallery> {
  const { url: _url, data: _data, ...rest } = options;
  return openGalleryAt(Object.freeze({ ...rest, location: await locate(options) }));
}

export { type Embedding, embedding } from './embedding/embedding.js';
export { type EmbeddingSpace, parseSpaceName, type SpaceName, spaceFromName, spaceName } from './embedding/space.js';
export { type FaultCode, KithError } from './errors.js';
export type { AuditRecord, AuditRequest } from './gallery/audit-store.js';
export type { Candidate } from './gallery/candidate.js';
export type { Author, Domain, DomainChanges, DomainSettings, DomainStats, Mode } from './gallery/domain.js';
export type {
  Gallery,
  GalleryOperations,
  Health,
  Probe,
  SchemaStatus,
  SearchAnswer,
  SearchOptions,
  SearchPlan,
} from './gallery/gallery.js';
export type { NewPerson, Page, PageRequest, Person } from './gallery/person.js';
export type { MergeReport } from './gallery/person-merge.js';
export type { FaceDetails, FaceFlag, NewFace, StoredFace } from './gallery/stored-face.js';
