import { setTimeout as delay } from 'node:timers/promises';
import { KithError } from '../errors.js';
import type { Queryable } from '../gallery/database.js';
import type { StoredSpace } from '../gallery/domain.js';
import type { Gallery, GalleryOperations } from '../gallery/gallery.js';
import { addNew, updateChanged } from './apply.js';
import type { DatastoreSource } from './datastore-source.js';
import { addMissingPersons, foldersUnderOtherNames, mapPersons } from './person-map.js';
import type { ProgressMeter } from './progress.js';
import { reconcile } from './reconcile.js';
import type { Finding, Validation } from './report.js';
import { commonDimension, type RowCheck } from './row-check.js';
import { openFeed } from './row-feed.js';
import { recordRows } from './row-record.js';
import { createStage, fillStage } from './row-stage.js';
import { validate } from './validate.js';

export interface RunContext {
  readonly gallery: Gallery;
  readonly source: DatastoreSource;
  readonly meter: ProgressMeter;
  readonly signal: AbortSignal | undefined;
}

/** What one pass over a datastore did to, or found in, the database. */
export interface RunOutcome {
  readonly check: RowCheck;
  readonly migrated: number;
  readonly updated: number;
  readonly unchanged: number;
  /** Null when there was no database to compare with. */
  readonly validated: Validation | null;
  readonly findings: readonly Finding[];
  readonly warnings: readonly string[];
}

/** The dimension that the pass assumed is not that of most rows: it is to be done again with the right one. */
export interface WrongDimension {
  readonly check: RowCheck;
  readonly rightDimension: number;
}

export type RunResult = RunOutcome | WrongDimension;

export const isWrongDimension = (result: RunResult): result is WrongDimension => 'rightDimension' in result;

/**
 * One transaction: the datastore is copied into a stage, held against the faces of its domain, and what is missing or
 * changed is written. Killed anywhere before the commit, nothing of it stays; killed after, everything does.
 */
export function runMigration(context: RunContext, stored: StoredSpace, dimensions: number): Promise<RunResult> {
  return inTransaction(context, 'commit', async (transaction, operations) => {
    const { check, wrong } = await stage(context, transaction, dimensions);
    if (wrong !== null) return wrong;
    const subject = { domain: context.source.domain, table: stored.table };
    const warnings = await holdSpace(context, operations, stored);
    await compare(context, transaction, stored, check);
    const unchanged = await countMatches(transaction);
    warnings.push(...(await foldersUnderOtherNames(transaction)));
    await addMissingPersons(transaction, subject.domain);
    const updated = await updateChanged(transaction, subject);
    const added = await addNew(transaction, subject, context.meter);
    await recordRows(transaction, subject, stored.id);
    context.meter.begin('validating', check.good);
    const judged = await validate(transaction, subject);
    return { check, migrated: added + updated, updated, unchanged, warnings, ...judged };
  });
}

/** The same comparison, rolled back: what a migration would do, and what is different now. */
export function runComparison(context: RunContext, stored: StoredSpace, dimensions: number): Promise<RunResult> {
  return inTransaction(context, 'roll back', async (transaction) => {
    const { check, wrong } = await stage(context, transaction, dimensions);
    if (wrong !== null) return wrong;
    await compare(context, transaction, stored, check);
    const same = await countMatches(transaction);
    const warnings = await foldersUnderOtherNames(transaction);
    context.meter.begin('validating', check.good);
    const judged = await validate(transaction, { domain: context.source.domain, table: stored.table });
    const updated = await countChanged(transaction);
    return { check, migrated: check.good - same, updated, unchanged: same, warnings, ...judged };
  });
}

interface Staged {
  readonly check: RowCheck;
  readonly wrong: WrongDimension | null;
}

async function stage(context: RunContext, transaction: Queryable, dimensions: number): Promise<Staged> {
  await prepare(context, transaction);
  await createStage(transaction);
  const feed = openFeed(context.source, dimensions, context);
  await fillStage(transaction, feed, context.signal);
  const { check } = feed;
  const common = commonDimension(check.dimensions);
  const wrong = common === null || common === dimensions ? null : { check, rightDimension: common };
  return { check, wrong };
}

async function compare(
  { meter, source }: RunContext,
  transaction: Queryable,
  { table }: StoredSpace,
  check: RowCheck,
): Promise<void> {
  const subject = { domain: source.domain, table };
  meter.begin('comparing', check.good);
  await reconcile(transaction, subject);
  await mapPersons(transaction, subject);
}

const count = async (transaction: Queryable, condition: string): Promise<number> => {
  const { rows } = await transaction.query<{ count: number }>({
    text: `select count(*)::integer as count from kith_match where ${condition}`,
  });
  return rows[0]?.count ?? 0;
};

const countMatches = (transaction: Queryable): Promise<number> => count(transaction, 'same');
const countChanged = (transaction: Queryable): Promise<number> => count(transaction, 'not same');

/** Makes the domain hold the space; when it goes on holding another one, says so. */
async function holdSpace(
  { source }: RunContext,
  operations: GalleryOperations,
  { space }: StoredSpace,
): Promise<string[]> {
  if (space === null) throw new TypeError('the space was not declared');
  try {
    await operations.ensureDomain(source.domain, space);
    return [];
  } catch (fault) {
    if (!(fault instanceof KithError) || !OTHER_SPACE.has(fault.code)) throw fault;
    return [`loaded beside what the domain's searches use: ${fault.message}`];
  }
}

const OTHER_SPACE: ReadonlySet<string> = new Set(['domain-space', 'space-undeclared']);

type Work = (transaction: Queryable, operations: GalleryOperations) => Promise<RunResult>;

/**
 * `WrongDimension` always rolls back. The gallery's transaction ends with what its work throws, so that a value that
 * is to survive a roll-back is carried past it.
 */
async function inTransaction(context: RunContext, end: 'commit' | 'roll back', work: Work): Promise<RunResult> {
  const carried: { result: RunResult | null } = { result: null };
  try {
    return await context.gallery.transaction(async (operations, transaction) => {
      const result = await work(transaction, operations);
      context.signal?.throwIfAborted();
      if (end === 'commit' && !isWrongDimension(result)) return result;
      carried.result = result;
      throw new Error('rolled back on purpose');
    });
  } catch (fault) {
    if (carried.result === null) throw fault;
    return carried.result;
  }
}

/**
 * Room for hash joins of 23,661 vectors in memory, and no just-in-time compilation: its cost is in the order of what
 * each of these statements takes.
 */
const SETTINGS = `set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;
  set local work_mem = '64MB'; set local jit = off`;

/** One migration of a domain at a time; no limit of time; a client that was killed is noticed while a statement runs. */
async function prepare({ source, meter, signal }: RunContext, transaction: Queryable): Promise<void> {
  await transaction.query({ text: SETTINGS });
  await transaction.query({
    text: `
      select set_config(name, '5s', true) from pg_settings
      where name = 'client_connection_check_interval' and version() like '%linux%' and $1::boolean`,
    values: [transaction.kind === 'postgres'],
  });
  for (let told = false; ; told = true) {
    const { rows } = await transaction.query<{ mine: boolean }>({
      text: `select pg_try_advisory_xact_lock(hashtext('kith migrate'), hashtext($1)) as mine`,
      values: [source.domain],
    });
    if (rows[0]?.mine === true) return;
    if (!told) meter.begin('waiting');
    await delay(250, undefined, signal ? { signal } : {});
  }
}
