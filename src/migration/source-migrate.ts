import { type EmbeddingSpace, spaceFromName, spaceName } from '../embedding/space.js';
import type { StoredSpace } from '../gallery/domain.js';
import type { Gallery } from '../gallery/gallery.js';
import type { DatastoreSource } from './datastore-source.js';
import { ensureFaceTable, findFaceTable } from './face-table.js';
import { setIndexesAside } from './index-pending.js';
import {
  isWrongDimension,
  type RunContext,
  type RunOutcome,
  type RunResult,
  runComparison,
  runMigration,
} from './migration-run.js';
import { type ProgressListener, ProgressMeter } from './progress.js';
import type { MigrationReport, MigrationState } from './report.js';
import { commonDimension, type RowCheck } from './row-check.js';
import { dimensionWarning, expectedDimension, openFeed } from './row-feed.js';

export type MigrationMode = 'migrate' | 'dry-run' | 'validate';

export interface SourceContext {
  readonly gallery: Gallery | null;
  readonly source: DatastoreSource;
  readonly mode: MigrationMode;
  readonly onProgress: ProgressListener | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A source's report, and the table that its faces are in: its indexes may wait to be built. */
export interface SourceResult {
  readonly report: MigrationReport;
  readonly stored: StoredSpace | null;
}

const STATES: Readonly<Record<MigrationMode, MigrationState>> = {
  migrate: 'migrated',
  'dry-run': 'dry-run',
  validate: 'validated',
};

/** Migrates, or only compares, one space of one datastore. */
export async function migrateSource(context: SourceContext): Promise<SourceResult> {
  const began = performance.now();
  // Without a database nothing depends on the dimension before the rows are read.
  let dimensions = context.gallery === null ? null : await expectedDimension(context.source, context.signal);
  for (;;) {
    const { result, stored } = await attemptWith(context, dimensions);
    if (!isWrongDimension(result)) {
      const seconds = (performance.now() - began) / 1000;
      return { stored, report: reportOf(context, result, seconds) };
    }
    dimensions = result.rightDimension;
  }
}

interface Attempt {
  readonly result: RunResult;
  readonly stored: StoredSpace | null;
}

async function attemptWith(context: SourceContext, dimensions: number | null): Promise<Attempt> {
  const { gallery, source, mode, signal } = context;
  const meter = new ProgressMeter({ domain: source.domain, space: spaceName(source.space) }, context.onProgress);
  if (gallery === null || dimensions === null)
    return { result: await checkOnly(context, meter, dimensions), stored: null };
  const run = { gallery, source, meter, signal };
  const space = spaceFromName(source.space, dimensions);
  if (mode === 'migrate') {
    const stored = await tableToLoad(run, space);
    return { result: await runMigration(run, stored, dimensions), stored };
  }
  const stored = await findFaceTable(gallery, source, space, signal);
  if (stored === null) return { result: await nothingStored(context, meter, dimensions), stored };
  return { result: await runComparison(run, stored, dimensions), stored };
}

/** The table of the space, without its HNSW indexes while it is empty: this datastore or a later one may be large. */
async function tableToLoad({ gallery, source, signal }: RunContext, space: EmbeddingSpace): Promise<StoredSpace> {
  const stored = await ensureFaceTable(gallery, source, space, signal);
  await setIndexesAside(gallery.database, stored.table, signal);
  return stored;
}

/** A dry run without a database: every good row would be migrated. */
async function checkOnly(context: SourceContext, meter: ProgressMeter, dimensions: number | null): Promise<RunResult> {
  const feed = openFeed(context.source, dimensions, { meter, signal: context.signal });
  for await (const _batch of feed.batches());
  const { check } = feed;
  const common = commonDimension(check.dimensions);
  if (common !== null && common !== check.expected) return { check, rightDimension: common };
  return {
    check,
    migrated: check.good,
    updated: 0,
    unchanged: 0,
    validated: null,
    findings: [],
    warnings: ['nothing was compared with a database'],
  };
}

/** A comparison with a database that has no table for the space: every good row is missing. */
async function nothingStored(
  context: SourceContext,
  meter: ProgressMeter,
  dimensions: number | null,
): Promise<RunResult> {
  const result = await checkOnly(context, meter, dimensions);
  if (isWrongDimension(result)) return result;
  const validated = { ok: 0, missing: result.check.good, extra: 0, different: 0 };
  return { ...result, validated, warnings: ['the database has no embedding of this space'] };
}

function reportOf(context: SourceContext, outcome: RunOutcome, seconds: number): MigrationReport {
  const { source, mode } = context;
  const { check } = outcome;
  const warning = check.expected === null ? null : dimensionWarning(source, check.expected);
  return {
    ...summaryOf(check),
    domain: source.domain,
    space: spaceName(source.space),
    state: STATES[mode],
    datastore: source.datastore.path,
    // Where nothing is written, what would be.
    migrated: outcome.migrated,
    updated: outcome.updated,
    unchanged: outcome.unchanged,
    seconds: Math.round(seconds * 1000) / 1000,
    validated: outcome.validated,
    findings: outcome.findings,
    warnings: [...source.warnings, ...(warning === null ? [] : [warning]), ...outcome.warnings],
  };
}

function summaryOf(
  check: RowCheck,
): Pick<MigrationReport, 'rows' | 'skipped' | 'persons' | 'facesPerPerson' | 'wholePhoto'> {
  const persons = check.persons.size;
  return {
    rows: check.rows,
    skipped: check.skipped,
    persons,
    facesPerPerson: persons === 0 ? 0 : Math.round((check.good / persons) * 100) / 100,
    wholePhoto: check.wholePhoto,
  };
}
