import type { Database, QueryOptions } from './database.js';
import type { Author, Domain } from './domain.js';
import { readSearchable } from './domain-cache.js';
import { changeDomain } from './domain-store.js';
import { wholeNumber } from './option-check.js';
import {
  type KnownProbe,
  knowProbes,
  type MeasuredRecall,
  measureRecall,
  meetsTarget,
  planOf,
} from './recall-measure.js';
import { recallProbes } from './recall-probe.js';
import type { SearchPlan } from './search-answer.js';
import { indexPays, type SearchIndex } from './search-choice.js';

export interface TuneOptions extends QueryOptions {
  /** Probes to choose by, and again as many to report on; 40–10,000, 1,000 unless given. */
  readonly probes?: number;
  /** Another seed draws other probes; 1 unless given. */
  readonly seed?: number;
  readonly author: Author;
  readonly onProgress?: (step: 'probes' | 'choosing' | 'reporting', done: number, all: number) => void;
}

export interface TuneReport {
  readonly domain: string;
  readonly faces: number;
  /** How searches of this domain are answered now. An exact answer is right by itself and needs no ef_search. */
  readonly plan: SearchPlan;
  /** What was chosen and kept; null where even the smallest would cost more than an exact search. */
  readonly efSearch: number | null;
  /** On probes that played no part in the choice; null for an exact plan. */
  readonly recall: MeasuredRecall | null;
  /** What was measured at each ef_search that was tried, on the probes that the choice was made by. */
  readonly tried: readonly { readonly efSearch: number; readonly recall: MeasuredRecall['all'] }[];
  readonly meetsTarget: boolean;
  /** What to do when the target is out of reach. */
  readonly advice: string | null;
}

const TOO_DEAR =
  'searched exactly, because the index would need more candidates than that costs: a rebuild with a larger m may change it (kith tune --rebuild --m 32)';

const STEPS: readonly number[] = [40, 60, 80, 100, 120, 160, 200, 250, 300, 400, 500, 650, 800, 1000];

interface Chosen {
  readonly efSearch: number;
  readonly tried: TuneReport['tried'];
}

/** The smallest step whose recall meets the target, found by halving; the largest when none does. */
async function choose(
  database: Database,
  domain: Domain,
  index: SearchIndex,
  known: readonly KnownProbe[],
  options: TuneOptions,
): Promise<Chosen> {
  const tried: { efSearch: number; recall: MeasuredRecall['all'] }[] = [];
  let low = 0;
  let high = STEPS.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const efSearch = STEPS[middle]!;
    const recall = (await measureRecall(database, domain, index, efSearch, known, options)).all;
    tried.push({ efSearch, recall });
    options.onProgress?.('choosing', tried.length, Math.ceil(Math.log2(STEPS.length)));
    if (meetsTarget(recall)) high = middle;
    else low = middle + 1;
  }
  return { efSearch: STEPS[low]!, tried: tried.sort((a, b) => a.efSearch - b.efSearch) };
}

async function probesOf(database: Database, domain: Domain, seed: number, options: TuneOptions) {
  const count = wholeNumber('probes', options.probes, [40, 10_000], 1_000);
  const probes = await recallProbes(database, domain, count, seed, options);
  return knowProbes(database, domain, probes, (done, all) => options.onProgress?.('probes', done, all), options);
}

function adviceFor({ all }: MeasuredRecall, index: SearchIndex): string | null {
  if (meetsTarget(all)) return null;
  return index.scope === 'domain'
    ? 'ef_search alone does not reach the target: rebuild the index with a larger m (kith tune --rebuild --m 32)'
    : 'ef_search alone does not reach the target: give the domain an index of its own (kith tune --rebuild)';
}

/** The report of a domain that is searched exactly. */
const exactly = (domain: string, faces: number): TuneReport => ({
  domain,
  faces,
  plan: { kind: 'exact' },
  efSearch: null,
  recall: null,
  tried: [],
  meetsTarget: true,
  advice: null,
});

/**
 * Chooses a domain's ef_search by measurement, and keeps it: recall@1 ≥ 0.999 and recall@10 ≥ 0.99 against exact
 * search, on held-out and on hard probes. Reports the recall on other probes, with the plan beside it.
 */
export async function tuneDomain(database: Database, name: string, options: TuneOptions): Promise<TuneReport> {
  const { domain, facts } = await readSearchable(database, name, options);
  const { index, faces } = facts;
  const seed = options.seed ?? 1;
  if (index === null || !indexPays(facts, STEPS[0]!)) return exactly(name, faces);
  const { efSearch, tried } = await choose(
    database,
    domain,
    index,
    await probesOf(database, domain, seed, options),
    options,
  );
  await database.transaction((inside) => changeDomain(inside, name, { efSearch }, options.author), options);
  // So many candidates cost more than looking at everybody.
  if (!indexPays(facts, efSearch)) return { ...exactly(name, faces), efSearch, tried, advice: TOO_DEAR };
  const unseen = await probesOf(database, domain, seed + 1_000_003, options);
  const recall = await measureRecall(database, domain, index, efSearch, unseen, options);
  options.onProgress?.('reporting', 1, 1);
  return {
    domain: name,
    faces,
    plan: planOf(efSearch, index),
    efSearch,
    recall,
    tried,
    meetsTarget: meetsTarget(recall.all),
    advice: adviceFor(recall, index),
  };
}
