import { type Embedding, embedding } from '../embedding/embedding.js';
import { assertComparable, type EmbeddingSpace, spaceFromName, spaceName } from '../embedding/space.js';
import { defaultThreshold } from '../embedding/threshold.js';
import { KithError } from '../errors.js';
import type { Queryable, QueryOptions } from './database.js';
import type { Domain, StoredSpace } from './domain.js';
import { notNegative, wholeNumber } from './option-check.js';
import type { Probe, SearchAnswer, SearchOptions, SearchPlan } from './search-answer.js';
import { DEFAULT_EF_SEARCH, indexPays, MOST_EF_SEARCH, type SearchFacts, type SearchIndex } from './search-choice.js';
import { metricInDatabase, metricOf } from './search-metric.js';
import { type Ranking, type RankingOptions, rank } from './search-ranking.js';
import { exactStatement, type FoundFace, hnswStatement, type SearchRequest } from './search-statement.js';

/** A search with everything decided that does not depend on what is found. */
export interface PreparedSearch {
  readonly request: Omit<SearchRequest, 'limit'>;
  readonly ranking: RankingOptions;
  readonly facts: SearchFacts;
  readonly efSearch: number;
  readonly exact: boolean;
}

/** A step of faces asked for at once: enough for the persons wanted, and few different ones, as each is a statement. */
const FIRST_LIMIT = 32;
const LARGEST_LIMIT = 512;

function undeclared(dimensions: number): EmbeddingSpace {
  const name = { model: 'unknown', detector: null, aligned: null, normalization: null, expand: null };
  return spaceFromName(name, dimensions);
}

/** The checked vector of a probe. Bare values must have the dimensions; an embedding must be of the domain's space. */
export function checkProbe(probe: Probe, domain: string, stored: StoredSpace): Embedding {
  if (probe instanceof Float32Array) return embedding(probe, stored.space ?? undeclared(stored.dimensions));
  if (stored.space === null) throw new KithError('space-undeclared', { domain, given: spaceName(probe.space) });
  assertComparable(probe.space, stored.space);
  return probe;
}

function thresholdOf({ domain, threshold, stored }: Domain, given: number | undefined): number {
  if (given !== undefined) return notNegative('threshold', given);
  const own = threshold ?? (stored.space === null ? null : defaultThreshold(stored.space));
  if (own !== null) return own;
  const space = stored.space === null ? 'that nobody declared' : spaceName(stored.space);
  throw new KithError('threshold-unknown', { domain, space });
}

export function prepareSearch(
  probe: Probe,
  domain: Domain,
  facts: SearchFacts,
  options: SearchOptions = {},
): PreparedSearch {
  const { stored } = domain;
  const metric = metricOf(stored);
  const efSearch = wholeNumber('efSearch', options.efSearch, [1, MOST_EF_SEARCH], domain.efSearch ?? DEFAULT_EF_SEARCH);
  return {
    request: { stored, domain: domain.domain, probe: checkProbe(probe, domain.domain, stored).values },
    ranking: {
      threshold: thresholdOf(domain, options.threshold),
      topK: wholeNumber('topK', options.topK, [1, 1000], 5),
      excludeImage: options.excludeImage,
      distance: metricInDatabase(metric).distance,
      space: stored.space,
    },
    facts,
    efSearch,
    exact: options.exact ?? false,
  };
}

/** Faces for the persons wanted when each has a few of them, in steps of 4×. Fewer at first would be a second statement more often. */
function firstLimit(topK: number): number {
  let limit = FIRST_LIMIT;
  while (limit < 4 * topK) limit *= 4;
  return limit;
}

async function found(database: Queryable, statement: Parameters<Queryable['query']>[0], options?: QueryOptions) {
  return (await database.query<FoundFace>(statement, options)).rows;
}

/** Whether more faces could bring persons that are still wanted: fewer than wanted, and none beyond the threshold seen. */
const isShort = ({ candidates, farthest }: Ranking, { topK, threshold }: RankingOptions): boolean =>
  candidates.length < topK && farthest <= threshold;

async function searchExactly(database: Queryable, search: PreparedSearch, options?: QueryOptions): Promise<Ranking> {
  for (let limit = firstLimit(search.ranking.topK); ; limit *= 4) {
    const faces = await found(database, exactStatement({ ...search.request, limit }), options);
    const ranking = rank(faces, search.ranking);
    // Fewer than asked for are all there are.
    if (faces.length < limit || !isShort(ranking, search.ranking)) return ranking;
  }
}

interface Indexed {
  readonly ranking: Ranking;
  readonly efSearch: number;
}

/** By the index; null when that did not give enough: only a scan can tell whether there is more. */
async function searchByIndex(
  database: Queryable,
  search: PreparedSearch,
  index: SearchIndex,
  options?: QueryOptions,
): Promise<Indexed | null> {
  const wide = Math.ceil(search.efSearch / index.share);
  for (let limit = firstLimit(search.ranking.topK); limit <= LARGEST_LIMIT; limit *= 4) {
    const efSearch = Math.min(MOST_EF_SEARCH, Math.max(limit, wide));
    const statement = hnswStatement({ ...search.request, limit }, efSearch, index);
    const faces = await found(database, statement, options);
    const ranking = rank(faces, search.ranking);
    if (!isShort(ranking, search.ranking) && faces.length > 0) return { ranking, efSearch };
    if (faces.length < limit) return null;
  }
  return null;
}

export interface SearchOutcome extends Pick<SearchAnswer, 'candidates' | 'plan'> {
  /** The domain holds no face at all. */
  readonly empty: boolean;
}

/** Runs a search: by the domain's index where it pays, exactly where the domain is small or the index falls short. */
export async function runSearch(
  database: Queryable,
  search: PreparedSearch,
  options?: QueryOptions,
): Promise<SearchOutcome> {
  const { index } = search.facts;
  if (!search.exact && index !== null && indexPays(search.facts, search.efSearch)) {
    const indexed = await searchByIndex(database, search, index, options);
    if (indexed !== null) {
      const plan: SearchPlan = { kind: 'hnsw', index: index.scope, efSearch: indexed.efSearch };
      return { candidates: indexed.ranking.candidates, plan, empty: false };
    }
  }
  const { candidates, farthest } = await searchExactly(database, search, options);
  return { candidates, plan: { kind: 'exact' }, empty: farthest === Number.NEGATIVE_INFINITY };
}
