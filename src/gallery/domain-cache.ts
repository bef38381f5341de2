import { KithError } from '../errors.js';
import type { Queryable, QueryOptions } from './database.js';
import type { Domain } from './domain.js';
import { readDomain } from './domain-store.js';
import { readSearchFacts, type SearchFacts } from './search-choice.js';

/** What a search needs to know of its domain. */
export interface SearchableDomain {
  readonly domain: Domain;
  readonly facts: SearchFacts;
}

interface Entry {
  readonly value: SearchableDomain;
  readonly readAt: number;
  readonly factsAt: number;
  refreshing: boolean;
}

/** Younger than this, an entry is used as it is; up to twice as old, it is used once more while it is read again. */
const FRESH_MS = 1_000;
/** Sizes and indexes change slowly, and searches are right whatever they are. */
const FRESH_FACTS_MS = 10_000;
const MOST_ENTRIES = 10_000;

export async function readSearchable(
  database: Queryable,
  name: string,
  options?: QueryOptions,
): Promise<SearchableDomain> {
  const domain = await readDomain(database, name, options);
  return { domain, facts: await readSearchFacts(database, domain, options) };
}

/**
 * Settings of domains for the request path, at most two seconds old: a change made by another process is seen without
 * a restart and without a round trip per search. What is unknown is asked for each time.
 */
export class DomainCache {
  readonly #database: Queryable;
  readonly #entries = new Map<string, Entry>();

  constructor(database: Queryable) {
    this.#database = database;
  }

  async get(name: string, options?: QueryOptions): Promise<SearchableDomain> {
    const entry = this.#entries.get(name);
    const age = entry === undefined ? Number.POSITIVE_INFINITY : Date.now() - entry.readAt;
    if (entry === undefined || age > 2 * FRESH_MS) return this.#read(name, options);
    if (age > FRESH_MS && !entry.refreshing) {
      entry.refreshing = true;
      this.#read(name).catch(() => this.#entries.delete(name));
    }
    return entry.value;
  }

  /** Forgets a domain, or all: this process changed something. */
  forget(name?: string): void {
    if (name === undefined) this.#entries.clear();
    else this.#entries.delete(name);
  }

  async #read(name: string, options?: QueryOptions): Promise<SearchableDomain> {
    try {
      const { value, factsAt } = await this.#readOver(this.#entries.get(name), name, options);
      if (this.#entries.size >= MOST_ENTRIES) this.#entries.clear();
      this.#entries.set(name, { value, factsAt, readAt: Date.now(), refreshing: false });
      return value;
    } catch (error) {
      if (error instanceof KithError && error.code === 'domain-unknown') this.#entries.delete(name);
      throw error;
    }
  }

  async #readOver(
    known: Entry | undefined,
    name: string,
    options?: QueryOptions,
  ): Promise<Pick<Entry, 'value' | 'factsAt'>> {
    const domain = await readDomain(this.#database, name, options);
    const now = Date.now();
    if (
      known !== undefined &&
      known.value.domain.stored.id === domain.stored.id &&
      now - known.factsAt < FRESH_FACTS_MS
    )
      return { value: { domain, facts: known.value.facts }, factsAt: known.factsAt };
    return { value: { domain, facts: await readSearchFacts(this.#database, domain, options) }, factsAt: now };
  }
}
