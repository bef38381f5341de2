import type { Queryable } from '../gallery/database.js';
import { readFaceIndexes } from './check-database.js';
import type { IndexState } from './metric-states.js';

/** What the database knows of a domain beyond its persons and faces. */
export interface DomainFigures {
  /** Comparisons since the last reset, and the share of them that agreed, 0 … 1; null when there is none. */
  readonly shadowComparisons: number;
  readonly shadowAgreement: number | null;
  /** Unix time in seconds; null when the domain was never migrated. */
  readonly lastMigration: number | null;
}

/** Figures of every domain that has comparisons or was migrated. */
export async function readDomainFigures(
  database: Pick<Queryable, 'query'>,
): Promise<ReadonlyMap<string, DomainFigures>> {
  const { rows } = await database.query<DomainFigures & { domain: string }>({
    text: `select domain, coalesce(s.comparisons, 0)::int as "shadowComparisons",
        s.agreement::float8 as "shadowAgreement", m.finished::float8 as "lastMigration"
      from (select domain, count(*) as comparisons, avg(agreed::int) as agreement
          from kith_shadow_comparisons where arm = 'represent' group by domain) s
        full join (select domain, extract(epoch from max(finished_at)) as finished
          from kith_migrations group by domain) m using (domain)`,
  });
  return new Map(rows.map(({ domain, ...figures }) => [domain, figures]));
}

/** The vector indexes, with their sizes. */
export async function readIndexStates(database: Queryable): Promise<readonly IndexState[]> {
  const indexes = (await readFaceIndexes(database)).filter((index) => index.hnsw);
  return indexes.map(({ index, bytes, valid }) => ({ index, bytes: Number(bytes), valid }));
}
