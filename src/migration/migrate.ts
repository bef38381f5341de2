import { parseSpaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import type { Gallery } from '../gallery/gallery.js';
import { findDomains } from './domain-find.js';
import { type DomainResult, type DomainRun, migrateDomain } from './domain-migrate.js';
import { buildEmptyIndexes, buildPendingIndex, pendingIndexes } from './index-pending.js';
import { recordMigration } from './migration-record.js';
import { type ProgressListener, ProgressMeter } from './progress.js';
import { type DomainReport, isFailed } from './report.js';

export interface MigrateOptions {
  /** Folder of domains: `<storage>/<domain>/<Person>/<image>`, each domain's datastores beside its persons. */
  readonly storage: string;
  /** Domains by name, or every folder of the storage. */
  readonly domains: readonly string[] | 'all';
  /** Reads and checks every row and writes nothing. Without a gallery nothing is compared: `migrated` is every good row. */
  readonly dryRun?: boolean;
  /** Holds every row against the database, both ways, and writes nothing. */
  readonly validateOnly?: boolean;
  /** Name of a space (`model_…_expand_0`) that completes what an old file name does not say. */
  readonly space?: string;
  readonly onProgress?: ProgressListener;
  /** Ends the run: what was committed stays, and the next run goes on from there. */
  readonly signal?: AbortSignal;
}

/**
 * Moves the datastores of domains into a gallery whose schema is up to date: a report per domain and space.
 * A domain that fails is reported as failed and the others go on. Never deletes a row of the gallery.
 * `gallery` may be null in a dry run only. Throws `migration-no-gallery`, `migration-no-storage`, `space-name`, and
 * what the signal says when it fires.
 *
 * @example
 * const reports = await migrate(gallery, { storage: 'storage/recognized_faces_prod', domains: ['slovenia'] });
 */
export async function migrate(gallery: Gallery | null, options: MigrateOptions): Promise<DomainReport[]> {
  const mode = options.validateOnly === true ? 'validate' : options.dryRun === true ? 'dry-run' : 'migrate';
  if (gallery === null && mode !== 'dry-run') throw new KithError('migration-no-gallery', {});
  const given = options.space === undefined ? null : parseSpaceName(options.space);
  const domains = await findDomains(options.storage, options.domains);
  const run: DomainRun = { ...options, gallery, mode, given, isListed: options.domains === 'all' };
  try {
    const results: DomainResult[] = [];
    for (const domain of domains) results.push(...(await migrateDomain(run, domain)));
    return mode === 'migrate' && gallery !== null ? await finish(gallery, results, options) : results.map(reportOf);
  } catch (fault) {
    // Rows that are in wait for the next run to be indexed; an index over no rows costs nothing now.
    if (mode === 'migrate' && gallery !== null) await buildEmptyIndexes(gallery.database).catch(() => undefined);
    throw fault;
  }
}

const reportOf = ({ report }: DomainResult): DomainReport => report;

/** Builds the indexes that wait for their table to be loaded: once per table, after the last datastore that went into it. */
async function finish(
  gallery: Gallery,
  results: readonly DomainResult[],
  { onProgress, signal }: MigrateOptions,
): Promise<DomainReport[]> {
  const reports = results.map(reportOf);
  for (const pending of await pendingIndexes(gallery.database)) {
    const last = results.findLastIndex(({ stored }) => stored?.table === pending.table_name);
    const report = reports[last];
    const [domain, space] = report !== undefined && !isFailed(report) ? [report.domain, report.space ?? ''] : ['', ''];
    const began = performance.now();
    await buildPendingIndex(gallery.database, pending, new ProgressMeter({ domain, space }, onProgress), signal);
    if (report === undefined || isFailed(report)) continue;
    reports[last] = { ...report, seconds: report.seconds + Math.round(performance.now() - began) / 1000 };
  }
  for (const [index, { stored }] of results.entries()) {
    const report = reports[index];
    if (stored !== null && report !== undefined && !isFailed(report))
      await recordMigration(gallery.database, stored.id, report);
  }
  return reports;
}
