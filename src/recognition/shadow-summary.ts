import type { Queryable } from '../gallery/database.js';
import type { DifferenceClass } from './shadow-comparison.js';
import type { DifferenceExample, LatencyPercentiles } from './shadow-report.js';

/** Examples per class in a report. */
const EXAMPLES = 3;

export interface ShadowSummary {
  readonly comparisons: number;
  readonly agreed: number;
  readonly datastoreLatency: LatencyPercentiles | null;
  readonly galleryLatency: LatencyPercentiles | null;
}

interface SummaryRow {
  readonly comparisons: string;
  readonly agreed: string;
  readonly datastore_ms: number[] | null;
  readonly gallery_ms: number[] | null;
}

const percentiles = (values: number[] | null): LatencyPercentiles | null => {
  const [p50, p95, p99] = values ?? [];
  return p50 === undefined || p95 === undefined || p99 === undefined ? null : { p50, p95, p99 };
};

/** What the comparisons of a domain come to; the legacy-find arm counts apart. */
export async function summarize(database: Queryable, domain: string): Promise<ShadowSummary> {
  const { rows } = await database.query<SummaryRow>({
    text: `select count(*)::text as comparisons, count(*) filter (where agreed)::text as agreed,
             percentile_disc(array[0.5, 0.95, 0.99]) within group (order by datastore_ms::float8)
               filter (where datastore_error is null) as datastore_ms,
             percentile_disc(array[0.5, 0.95, 0.99]) within group (order by gallery_ms::float8)
               filter (where gallery_error is null) as gallery_ms
           from kith_shadow_comparisons where domain = $1::text and arm = 'represent'`,
    values: [domain],
  });
  const row = rows[0]!;
  return {
    comparisons: Number(row.comparisons),
    agreed: Number(row.agreed),
    datastoreLatency: percentiles(row.datastore_ms),
    galleryLatency: percentiles(row.gallery_ms),
  };
}

export async function countClasses(
  database: Queryable,
  domain: string,
): Promise<Readonly<Partial<Record<DifferenceClass, number>>>> {
  const { rows } = await database.query<{ class: DifferenceClass; count: string }>({
    text: `select class, count(*)::text from kith_shadow_comparisons
           where domain = $1::text and arm = 'represent' and class is not null group by class order by count(*) desc`,
    values: [domain],
  });
  return Object.fromEntries(rows.map((row) => [row.class, Number(row.count)]));
}

interface ExampleRow {
  readonly class: DifferenceClass;
  readonly probe_sha256: string;
  readonly compared_at: Date;
  readonly datastore_person: string | null;
  readonly datastore_distance: number | null;
  readonly gallery_person: string | null;
  readonly gallery_distance: number | null;
  readonly detail: string;
}

const hit = (person: string | null, distance: number | null) =>
  person === null || distance === null ? null : { person, distance };

/** The newest comparisons of each class. */
export async function exampleDifferences(
  database: Queryable,
  domain: string,
): Promise<Readonly<Partial<Record<DifferenceClass, readonly DifferenceExample[]>>>> {
  const { rows } = await database.query<ExampleRow>({
    text: `select * from (
             select *, row_number() over (partition by class order by compared_at desc, id desc) as place
             from kith_shadow_comparisons where domain = $1::text and arm = 'represent' and class is not null
           ) newest where place <= $2::int order by class, place`,
    values: [domain, EXAMPLES],
  });
  const examples: Partial<Record<DifferenceClass, DifferenceExample[]>> = {};
  for (const row of rows) {
    const list = examples[row.class] ?? [];
    examples[row.class] = list;
    list.push({
      probe: row.probe_sha256,
      at: new Date(row.compared_at).toISOString(),
      datastore: hit(row.datastore_person, row.datastore_distance),
      gallery: hit(row.gallery_person, row.gallery_distance),
      detail: row.detail,
    });
  }
  return examples;
}

export async function countDropped(database: Queryable, domain: string): Promise<number> {
  const { rows } = await database.query<{ dropped: string }>({
    text: 'select dropped::text from kith_shadow_drops where domain = $1::text',
    values: [domain],
  });
  return Number(rows[0]?.dropped ?? 0);
}
