import type { Queryable } from '../gallery/database.js';
import type { GalleryOperations } from '../gallery/gallery.js';
import { splitPath } from '../gallery/stored-face.js';
import { decodeVector } from '../gallery/vector-binary.js';

export interface SearchMeasure {
  readonly domain: string;
  readonly probes: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Share of the exact search's first ten persons that the search had too. */
  readonly recall: number;
  readonly plan: string;
}

const PROBES = 100;
const TOP_K = 10;
/** No threshold: the nearest are wanted however far they are. */
const ANY_DISTANCE = 1_000;

interface Sample {
  readonly image: string;
  readonly embedding: Float32Array;
}

async function largestDomain(database: Queryable): Promise<{ domain: string; table: string } | null> {
  const { rows } = await database.query<{ domain: string; table: string }>({
    text: `select p.domain, s.table_name as table
      from (select domain, count(*) as persons from persons group by domain order by 2 desc limit 20) p
      left join kith_domains d on d.name = p.domain
      join kith_spaces s on s.id = coalesce(d.space_id, 1)
      where p.domain not like 'kith-selftest-%'
      order by p.persons desc limit 1`,
  });
  return rows[0] ?? null;
}

async function sampleFaces(database: Queryable, table: string, domain: string): Promise<readonly Sample[]> {
  const { rows } = await database.query<{ image: string; vector: Buffer }>({
    text: `select image_path as image, vector_send(embedding) as vector from "${table.replaceAll('"', '""')}"
      where domain = $1 order by random() limit ${PROBES}`,
    values: [domain],
  });
  return rows.map(({ image, vector }) => ({ image: splitPath(image).imagePath, embedding: decodeVector(vector) }));
}

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;

/**
 * Times searches of the largest domain with faces of its own, each without its own image, and compares each with an
 * exact search. Null when there is no face. Only reads.
 */
export async function measureSearch(
  operations: GalleryOperations,
  database: Queryable,
  signal: AbortSignal | undefined,
): Promise<SearchMeasure | null> {
  const largest = await largestDomain(database);
  if (largest === null) return null;
  const samples = await sampleFaces(database, largest.table, largest.domain);
  if (samples.length === 0) return null;
  const times: number[] = [];
  const plans = new Set<string>();
  let hits = 0;
  let asked = 0;
  for (const { image: excludeImage, embedding } of samples) {
    const options = { topK: TOP_K, threshold: ANY_DISTANCE, excludeImage, ...(signal === undefined ? {} : { signal }) };
    const begun = performance.now();
    const answer = await operations.search(embedding, largest.domain, options);
    times.push(performance.now() - begun);
    plans.add(answer.plan.kind === 'exact' ? 'exact' : `HNSW, ef_search ${answer.plan.efSearch}`);
    const exact = await operations.search(embedding, largest.domain, { ...options, exact: true });
    const found = new Set(answer.candidates.map((candidate) => candidate.person.id));
    asked += exact.candidates.length;
    hits += exact.candidates.filter((candidate) => found.has(candidate.person.id)).length;
  }
  times.sort((a, b) => a - b);
  return {
    domain: largest.domain,
    probes: samples.length,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    recall: asked === 0 ? 1 : hits / asked,
    plan: [...plans].join(' and '),
  };
}
