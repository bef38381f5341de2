import type { EmbeddingSpace } from '../embedding/space.js';
import type { AuditRecord, AuditRequest } from './audit-store.js';
import type { Candidate } from './candidate.js';
import type { DatabaseLocation } from './connection.js';
import type { Database, Queryable, QueryOptions } from './database.js';
import type { Author, Domain, DomainChanges, DomainSettings, DomainStats, Mode, StoredSpace } from './domain.js';
import type { IndexShape } from './domain-index.js';
import type { NewPerson, Page, PageRequest, Person } from './person.js';
import type { MergeReport } from './person-merge.js';
import type { LiveRecall } from './recall-live.js';
import type { TuneOptions, TuneReport } from './recall-tune.js';
import type { Probe, SearchAnswer, SearchOptions, SearchPlan } from './search-answer.js';
import type { NewFace, StoredFace } from './stored-face.js';

export type { Probe, SearchAnswer, SearchOptions, SearchPlan };

export type SchemaStatus =
  | { readonly state: 'current'; readonly version: number }
  | { readonly state: 'missing' }
  /** The old service's two tables, not taken over yet. */
  | { readonly state: 'old-service' }
  | { readonly state: 'old'; readonly version: number; readonly latest: number }
  | { readonly state: 'newer'; readonly version: number; readonly latest: number };

export interface Health {
  readonly ok: boolean;
  readonly database: { readonly ok: boolean; readonly kind: Database['kind']; readonly detail: string };
  readonly index: { readonly ok: boolean; readonly detail: string };
}

export interface GalleryOptions {
  readonly location: DatabaseLocation;
  /** Connections to a PostgreSQL server, 2–100; 10 unless given. */
  readonly poolSize?: number;
  /** Milliseconds after which the server gives a statement up; 0, no limit, unless given. */
  readonly statementTimeout?: number;
  /** The mode of a domain that `getStats` reports; its own, else `pgvector`, unless given. */
  readonly modeOf?: (domain: DomainSettings) => Mode;
  /**
   * `current`, unless given: a schema that is not up to date is an error that names the command. `migrate` brings it
   * up to date; `any` leaves it unlooked at.
   */
  readonly schema?: 'current' | 'migrate' | 'any';
  /** Share of searches by an index, 0–1, that are repeated exactly in the background to measure recall; 0 unless given. */
  readonly recallShare?: number;
}

/** The operations that work inside a transaction as well as outside one. */
export interface GalleryOperations {
  /** Distinct persons within the threshold, nearest first, each with its best face. Throws `domain-unknown`, `space-mismatch`. */
  findMatches(probe: Probe, domain: string, options?: SearchOptions): Promise<readonly Candidate[]>;
  findBestMatch(probe: Probe, domain: string, options?: SearchOptions): Promise<Candidate | null>;
  /** As `findMatches`, with the threshold and the plan that were used. */
  search(probe: Probe, domain: string, options?: SearchOptions): Promise<SearchAnswer>;

  /** Adds a person, or updates what is given of the one with this name in this domain. */
  addPerson(person: NewPerson, options?: QueryOptions): Promise<Person>;
  person(id: string, options?: QueryOptions): Promise<Person>;
  findPerson(name: string, domain: string, options?: QueryOptions): Promise<Person | null>;
  persons(domain: string, page?: PageRequest, options?: QueryOptions): Promise<Page<Person>>;
  renamePerson(id: string, name: string, options?: QueryOptions): Promise<Person>;
  /** Deletes a person with all its faces, in every space. False when there was none. */
  deletePerson(id: string, options?: QueryOptions): Promise<boolean>;

  /** Moves all faces of a person to another one of its domain and deletes it; audited. Throws `person-merge-…`. */
  mergePersons(fromId: string, intoId: string, author: Author, options?: QueryOptions): Promise<MergeReport>;

  /** Adds a face, or replaces the one stored under its image path and face number. */
  addEmbedding(face: NewFace, options?: QueryOptions): Promise<StoredFace>;
  faces(personId: string, page?: PageRequest, options?: QueryOptions): Promise<Page<StoredFace>>;
  deleteFace(domain: string, id: string, options?: QueryOptions): Promise<boolean>;

  domain(name: string, options?: QueryOptions): Promise<Domain>;
  domains(options?: QueryOptions): Promise<readonly Domain[]>;
  /** The domain, made when it is not there, holding `space`. Throws `space-mismatch` when it holds another one. */
  ensureDomain(name: string, space: EmbeddingSpace, options?: QueryOptions): Promise<Domain>;
  /** Changes settings and writes an audit row. A mode is only stored here: its gate is recognition's. */
  setDomain(name: string, changes: DomainChanges, author: Author, options?: QueryOptions): Promise<Domain>;
  /** Who changed what, and why: newest first. */
  audit(request?: AuditRequest, options?: QueryOptions): Promise<Page<AuditRecord>>;
  /** The table of a space, made when it is not there. */
  ensureSpace(space: EmbeddingSpace, options?: QueryOptions): Promise<StoredSpace>;
  /** Says of which space the embeddings of a taken-over table are. */
  declareSpace(table: string, space: EmbeddingSpace, options?: QueryOptions): Promise<StoredSpace>;
  getStats(
    options?: QueryOptions & { readonly domain?: string },
  ): Promise<{ readonly domains: readonly DomainStats[] }>;
}

/** A gallery of persons and faces in a database. Close it, or hold it with `await using`. */
export interface Gallery extends GalleryOperations, AsyncDisposable {
  readonly database: Database;
  schema(options?: QueryOptions): Promise<SchemaStatus>;
  /** Brings the schema up to date under a lock; answers the versions that were applied. */
  migrateSchema(options?: QueryOptions): Promise<readonly number[]>;
  healthCheck(options?: QueryOptions): Promise<Health>;
  /** Recall of the live searches that were repeated exactly, per domain; see `recallShare`. */
  readonly liveRecall: ReadonlyMap<string, LiveRecall>;
  /** Measures recall and chooses the domain's ef_search by it. */
  tune(domain: string, options: TuneOptions): Promise<TuneReport>;
  /** Builds, or builds anew, an index of the domain's own. False when another process is just doing it. */
  rebuildIndex(domain: string, shape?: IndexShape, options?: QueryOptions): Promise<boolean>;
  /**
   * Gives every domain the index of its own that it needs, built while it is searched; answers their names. What this
   * role may not do is left undone.
   */
  optimize(options?: QueryOptions): Promise<readonly string[]>;
  transaction<T>(work: (operations: GalleryOperations, database: Queryable) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
