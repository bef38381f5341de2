import { writeAudit } from '../gallery/audit-store.js';
import type { Queryable } from '../gallery/database.js';
import type { Author } from '../gallery/domain.js';
import type { Comparison, SideAnswer } from './shadow-comparison.js';

export type ShadowSource = 'traffic' | 'replay';
export type ShadowArm = 'represent' | 'legacy-find';

/** A comparison on its way into the table. */
export interface ShadowRecord extends Comparison {
  readonly domain: string;
  readonly source: ShadowSource;
  readonly arm: ShadowArm;
  readonly probe: string;
  /** When the searches began. */
  readonly at: Date;
  readonly datastore: SideAnswer;
  readonly gallery: SideAnswer;
}

type Column = {
  readonly name: string;
  readonly type: string;
  readonly value: (record: ShadowRecord) => string | number | boolean | null;
};

const firstOf = (side: SideAnswer) => (side.ok ? side.candidates[0] : undefined);
const errorOf = (side: SideAnswer): string | null => (side.ok ? null : side.error);

const COLUMNS: readonly Column[] = [
  { name: 'domain', type: 'text', value: (record) => record.domain },
  { name: 'compared_at', type: 'timestamptz', value: (record) => record.at.toISOString() },
  { name: 'source', type: 'text', value: (record) => record.source },
  { name: 'arm', type: 'text', value: (record) => record.arm },
  { name: 'probe_sha256', type: 'text', value: (record) => record.probe },
  { name: 'agreed', type: 'boolean', value: (record) => record.agreed },
  { name: 'class', type: 'text', value: (record) => record.class },
  { name: 'overlap', type: 'real', value: (record) => record.overlap },
  { name: 'max_difference', type: 'float8', value: (record) => record.maxDifference },
  { name: 'datastore_ms', type: 'real', value: (record) => record.datastore.ms },
  { name: 'gallery_ms', type: 'real', value: (record) => record.gallery.ms },
  { name: 'datastore_error', type: 'text', value: (record) => errorOf(record.datastore) },
  { name: 'gallery_error', type: 'text', value: (record) => errorOf(record.gallery) },
  { name: 'datastore_person', type: 'text', value: (record) => firstOf(record.datastore)?.person.name ?? null },
  { name: 'datastore_distance', type: 'float8', value: (record) => firstOf(record.datastore)?.distance ?? null },
  { name: 'gallery_person', type: 'text', value: (record) => firstOf(record.gallery)?.person.name ?? null },
  { name: 'gallery_distance', type: 'float8', value: (record) => firstOf(record.gallery)?.distance ?? null },
  { name: 'detail', type: 'text', value: (record) => record.detail },
];

const NAMES = COLUMNS.map(({ name }) => name).join(', ');

/** What was compared before a reset is void, also when another service writes it only now. */
const INSERT = `insert into kith_shadow_comparisons (${NAMES})
  select made.* from unnest(${COLUMNS.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ')}) as made (${NAMES})
  where not exists (
    select from kith_audit a where a.domain = made.domain and a.action = 'shadow-reset' and a.at >= made.compared_at)`;

/** Writes comparisons in one statement: all of them, or, when it throws, none. */
export async function insertComparisons(
  database: Pick<Queryable, 'query'>,
  records: readonly ShadowRecord[],
): Promise<void> {
  if (records.length === 0) return;
  await database.query({ text: INSERT, values: COLUMNS.map(({ value }) => records.map(value)) });
}

export async function addDropped(database: Pick<Queryable, 'query'>, domain: string, dropped: number): Promise<void> {
  await database.query({
    text: `insert into kith_shadow_drops (domain, dropped) values ($1::text, $2::bigint)
           on conflict (domain) do update set dropped = kith_shadow_drops.dropped + excluded.dropped`,
    values: [domain, dropped],
  });
}

/** Deletes what is older than the retention; answers how many. */
export async function expireComparisons(database: Pick<Queryable, 'query'>, days: number): Promise<number> {
  const { rowCount } = await database.query({
    text: `delete from kith_shadow_comparisons where compared_at < now() - $1::float8 * interval '1 day'`,
    values: [days],
  });
  return rowCount;
}

/** Starts the count of a domain again; answers how many comparisons there were. */
export async function deleteComparisons(database: Queryable, domain: string, author: Author): Promise<number> {
  // Written down first: from here on nothing older is inserted.
  await writeAudit(database, { domain, action: 'shadow-reset', author });
  const { rowCount } = await database.query({
    text: 'delete from kith_shadow_comparisons where domain = $1::text',
    values: [domain],
  });
  await database.query({ text: 'delete from kith_shadow_drops where domain = $1::text', values: [domain] });
  return rowCount;
}
