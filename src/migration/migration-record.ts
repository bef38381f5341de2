import type { Queryable } from '../gallery/database.js';
import type { MigrationReport } from './report.js';

/** Keeps the last report of a domain and space: for statistics, metrics and people who ask what happened. */
export async function recordMigration(database: Queryable, spaceId: number, report: MigrationReport): Promise<void> {
  await database.query({
    text: `
      insert into kith_migrations (space_id, domain, finished_at, rows, migrated, unchanged, skipped, seconds, report)
      values ($1, $2, now(), $3, $4, $5, $6, $7, $8)
      on conflict (space_id, domain) do update set
        finished_at = excluded.finished_at, rows = excluded.rows, migrated = excluded.migrated,
        unchanged = excluded.unchanged, skipped = excluded.skipped, seconds = excluded.seconds, report = excluded.report`,
    values: [
      spaceId,
      report.domain,
      report.rows,
      report.migrated,
      report.unchanged,
      report.skipped.length,
      report.seconds,
      JSON.stringify(withoutPaths(report)),
    ],
  });
}

/** The rows themselves are in kith_datastore_rows, where erasing a person reaches them. */
function withoutPaths(report: MigrationReport): object {
  const reasons: Record<string, number> = {};
  for (const { reason } of report.skipped) reasons[reason] = (reasons[reason] ?? 0) + 1;
  const { findings, skipped, ...rest } = report;
  return { ...rest, skipped: reasons };
}
