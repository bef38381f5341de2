import type { Queryable, QueryOptions, Statement } from './database.js';
import type { Domain } from './domain.js';
import type { RecallProbe, RecallProbeKind } from './recall-probe.js';
import type { SearchPlan } from './search-answer.js';
import { MOST_EF_SEARCH, type SearchIndex } from './search-choice.js';
import { exactStatement, type FoundFace, hnswStatement } from './search-statement.js';
import { splitPath } from './stored-face.js';

/** How often the nearest face was found, and which share of the ten nearest, over so many probes. */
export interface Recall {
  readonly probes: number;
  readonly recallAt1: number;
  readonly recallAt10: number;
}

/** What a search must reach for its answers to be called right. */
export const RECALL_TARGET = { recallAt1: 0.999, recallAt10: 0.99 } as const;

export const meetsTarget = ({ recallAt1, recallAt10 }: Recall): boolean =>
  recallAt1 >= RECALL_TARGET.recallAt1 && recallAt10 >= RECALL_TARGET.recallAt10;

/** Faces asked for: ten, and room for those of the probe's own image. */
const LOOKED_AT = 32;
const NEAREST = 10;
/** Distances as near to each other as float32 arithmetic in another order puts them are equal. */
const SAME = 1e-6;

/** A probe with the true answer: the distances of its ten nearest faces, ascending. */
export interface KnownProbe {
  readonly probe: RecallProbe;
  readonly nearest: readonly number[];
}

async function distances(
  database: Queryable,
  statement: Statement,
  { excludeImage }: RecallProbe,
  options?: QueryOptions,
): Promise<number[]> {
  const { rows } = await database.query<FoundFace>(statement, options);
  return rows
    .filter((face) => splitPath(face.image_path).imagePath !== excludeImage && !Number.isNaN(face.distance))
    .map((face) => face.distance)
    .sort((a, b) => a - b);
}

const requestOf = ({ stored, domain }: Domain, { values }: RecallProbe) => ({
  stored,
  domain,
  probe: values,
  limit: LOOKED_AT,
});

/** Looks the truth up: one scan of the domain per probe. */
export async function knowProbes(
  database: Queryable,
  domain: Domain,
  probes: readonly RecallProbe[],
  onProgress: (done: number, all: number) => void,
  options?: QueryOptions,
): Promise<readonly KnownProbe[]> {
  const known: KnownProbe[] = [];
  for (const probe of probes) {
    const all = await distances(database, exactStatement(requestOf(domain, probe)), probe, options);
    known.push({ probe, nearest: all.slice(0, NEAREST) });
    onProgress(known.length, probes.length);
  }
  return known;
}

/** The ef_search that a search with this setting asks of its index: one shared with other domains is asked for more. */
export const effectiveEf = (efSearch: number, index: SearchIndex): number =>
  Math.min(MOST_EF_SEARCH, Math.ceil(efSearch / index.share));

export const planOf = (efSearch: number, index: SearchIndex): SearchPlan => ({
  kind: 'hnsw',
  index: index.scope,
  efSearch: effectiveEf(efSearch, index),
});

interface Tally {
  probes: number;
  first: number;
  share: number;
}

/** How many of the true distances are among those found; equal distances count for each other. */
function hits(nearest: readonly number[], found: readonly number[]): number {
  let count = 0;
  for (let n = 0; n < nearest.length; n++) if ((found[n] ?? Number.POSITIVE_INFINITY) <= nearest[n]! + SAME) count++;
  return count;
}

const recallOf = ({ probes, first, share }: Tally): Recall => ({
  probes,
  recallAt1: probes === 0 ? 1 : first / probes,
  recallAt10: probes === 0 ? 1 : share / probes,
});

export interface MeasuredRecall {
  readonly all: Recall;
  readonly byKind: Readonly<Partial<Record<RecallProbeKind, Recall>>>;
}

/**
 * The recall of a domain's index at an ef_search, as searches use it. The n-th nearest counts as found when the n-th
 * of what was found is as near: a missed face moves every later one back, so this is never more than set recall.
 */
export async function measureRecall(
  database: Queryable,
  domain: Domain,
  index: SearchIndex,
  efSearch: number,
  known: readonly KnownProbe[],
  options?: QueryOptions,
): Promise<MeasuredRecall> {
  const all: Tally = { probes: 0, first: 0, share: 0 };
  const kinds = new Map<RecallProbeKind, Tally>();
  for (const { probe, nearest } of known) {
    if (nearest.length === 0) continue;
    const statement = hnswStatement(requestOf(domain, probe), effectiveEf(efSearch, index), index);
    const found = await distances(database, statement, probe, options);
    const kind = kinds.get(probe.kind) ?? { probes: 0, first: 0, share: 0 };
    kinds.set(probe.kind, kind);
    for (const tally of [all, kind]) {
      tally.probes++;
      if (found[0] !== undefined && found[0] <= nearest[0]! + SAME) tally.first++;
      tally.share += hits(nearest, found) / nearest.length;
    }
  }
  const byKind = Object.fromEntries([...kinds].map(([kind, tally]) => [kind, recallOf(tally)]));
  return { all: recallOf(all), byKind };
}
