import { embedding } from '../embedding/embedding.js';
import type { EmbeddingSpace } from '../embedding/space.js';
import { KithError } from '../errors.js';
import { type AuditRecord, type AuditRequest, readAudit } from './audit-store.js';
import type { Candidate } from './candidate.js';
import type { Queryable, QueryOptions } from './database.js';
import type { Author, Domain, DomainChanges, DomainSettings, DomainStats, Mode, StoredSpace } from './domain.js';
import { type DomainCache, readSearchable, type SearchableDomain } from './domain-cache.js';
import { changeDomain, ensureDomain, findDomain, listDomains, readDomain } from './domain-store.js';
import { deleteFace, listFaces, upsertFace } from './face-store.js';
import type { GalleryOperations, Probe, SearchAnswer, SearchOptions } from './gallery.js';
import { galleryStats } from './gallery-stats.js';
import type { NewPerson, Page, PageRequest, Person } from './person.js';
import { type MergeReport, mergePersons } from './person-merge.js';
import { deletePerson, findPerson, listPersons, readPerson, renamePerson, upsertPerson } from './person-store.js';
import { prepareSearch, runSearch } from './search.js';
import { declareSpace, ensureSpace } from './space-store.js';
import type { NewFace, StoredFace } from './stored-face.js';

/** Runs work in a transaction: a new one, or the one that there is. */
export type Atomically = <T>(work: (database: Queryable) => Promise<T>, options?: QueryOptions) => Promise<T>;

export interface OperationsContext {
  readonly database: Queryable;
  readonly atomically: Atomically;
  readonly cache: DomainCache;
  /** Inside a transaction nothing is read from the cache: it may not know yet what the transaction did. */
  readonly inTransaction: boolean;
  readonly modeOf: (domain: DomainSettings) => Mode;
}

/** The gallery's operations over a database or over a transaction of one. */
export class DatabaseOperations implements GalleryOperations {
  readonly #context: OperationsContext;

  constructor(context: OperationsContext) {
    this.#context = context;
  }

  async findMatches(probe: Probe, domain: string, options?: SearchOptions): Promise<readonly Candidate[]> {
    return (await this.search(probe, domain, options)).candidates;
  }

  async findBestMatch(probe: Probe, domain: string, options?: SearchOptions): Promise<Candidate | null> {
    const [best] = await this.findMatches(probe, domain, { ...options, topK: 1 });
    return best ?? null;
  }

  async search(probe: Probe, name: string, options?: SearchOptions): Promise<SearchAnswer> {
    const { domain, facts } = await this.#searchable(name, options);
    const search = prepareSearch(probe, domain, facts, options);
    const { candidates, plan, empty } = await runSearch(this.#context.database, search, options);
    // A domain without a face may be gone since it was cached.
    if (empty) await readDomain(this.#context.database, name, options);
    return { candidates, plan, threshold: search.ranking.threshold, domain };
  }

  addPerson(person: NewPerson, options?: QueryOptions): Promise<Person> {
    return upsertPerson(this.#context.database, person, options);
  }

  person(id: string, options?: QueryOptions): Promise<Person> {
    return readPerson(this.#context.database, id, options);
  }

  findPerson(name: string, domain: string, options?: QueryOptions): Promise<Person | null> {
    return findPerson(this.#context.database, name, domain, options);
  }

  async persons(domain: string, page?: PageRequest, options?: QueryOptions): Promise<Page<Person>> {
    const found = await listPersons(this.#context.database, domain, page, options);
    if (found.items.length === 0) await this.domain(domain, options);
    return found;
  }

  renamePerson(id: string, name: string, options?: QueryOptions): Promise<Person> {
    return renamePerson(this.#context.database, id, name, options);
  }

  deletePerson(id: string, options?: QueryOptions): Promise<boolean> {
    return deletePerson(this.#context.database, id, options);
  }

  mergePersons(fromId: string, intoId: string, author: Author, options?: QueryOptions): Promise<MergeReport> {
    const merge = (database: Queryable) => mergePersons(database, fromId, intoId, author, options);
    return this.#changing(undefined, merge, options);
  }

  addEmbedding(face: NewFace, options?: QueryOptions): Promise<StoredFace> {
    return this.#context.atomically(async (database) => {
      const person = await readPerson(database, face.personId, options);
      const found = await findDomain(database, person.domain, options);
      const given = face.embedding;
      const isBare = given instanceof Float32Array;
      const domain = isBare ? found!.domain : await ensureDomain(database, person.domain, given.space);
      this.#context.cache.forget(person.domain);
      const { stored } = domain;
      if (isBare && stored.space === null)
        throw new KithError('space-undeclared', { domain: person.domain, given: 'a bare vector' });
      const checked = isBare ? embedding(given, stored.space!) : given;
      return upsertFace(database, stored, face, checked, options);
    }, options);
  }

  async faces(personId: string, page?: PageRequest, options?: QueryOptions): Promise<Page<StoredFace>> {
    const { database } = this.#context;
    const person = await readPerson(database, personId, options);
    const { stored } = await readDomain(database, person.domain, options);
    return listFaces(database, stored.table, personId, page, options);
  }

  async deleteFace(domain: string, id: string, options?: QueryOptions): Promise<boolean> {
    const { database } = this.#context;
    const { stored } = await readDomain(database, domain, options);
    return deleteFace(database, stored.table, domain, id, options);
  }

  domain(name: string, options?: QueryOptions): Promise<Domain> {
    return readDomain(this.#context.database, name, options);
  }

  domains(options?: QueryOptions): Promise<readonly Domain[]> {
    return listDomains(this.#context.database, options);
  }

  ensureDomain(name: string, space: EmbeddingSpace, options?: QueryOptions): Promise<Domain> {
    return this.#changing(name, (database) => ensureDomain(database, name, space), options);
  }

  setDomain(name: string, changes: DomainChanges, author: Author, options?: QueryOptions): Promise<Domain> {
    return this.#changing(name, (database) => changeDomain(database, name, changes, author), options);
  }

  audit(request?: AuditRequest, options?: QueryOptions): Promise<Page<AuditRecord>> {
    return readAudit(this.#context.database, request, options);
  }

  ensureSpace(space: EmbeddingSpace, options?: QueryOptions): Promise<StoredSpace> {
    return this.#changing(undefined, (database) => ensureSpace(database, space), options);
  }

  declareSpace(table: string, space: EmbeddingSpace, options?: QueryOptions): Promise<StoredSpace> {
    return this.#changing(undefined, (database) => declareSpace(database, table, space), options);
  }

  getStats(
    options?: QueryOptions & { readonly domain?: string },
  ): Promise<{ readonly domains: readonly DomainStats[] }> {
    return galleryStats(this.#context.database, this.#context.modeOf, options?.domain, options);
  }

  #searchable(name: string, options?: QueryOptions): Promise<SearchableDomain> {
    const { inTransaction, database, cache } = this.#context;
    return inTransaction ? readSearchable(database, name, options) : cache.get(name, options);
  }

  /** What this process changed it must see at once. */
  async #changing<T>(
    name: string | undefined,
    work: (database: Queryable) => Promise<T>,
    options: QueryOptions | undefined,
  ): Promise<T> {
    try {
      return await this.#context.atomically(work, options);
    } finally {
      this.#context.cache.forget(name);
    }
  }
}
