import { type Datastore, openDatastore } from '../datastore/datastore.js';
import { findDatastores } from '../datastore/find.js';
import { type SpaceName, spaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import type { StoredSpace } from '../gallery/domain.js';
import type { Gallery } from '../gallery/gallery.js';
import { type DatastoreSource, sourcesOf } from './datastore-source.js';
import { domainFolder } from './domain-find.js';
import type { ProgressListener } from './progress.js';
import type { DomainReport, MigrationReport, MigrationState } from './report.js';
import { type MigrationMode, migrateSource } from './source-migrate.js';

export interface DomainRun {
  readonly gallery: Gallery | null;
  readonly storage: string;
  readonly mode: MigrationMode;
  readonly given: SpaceName | null;
  /** The domain is one of all folders, not one that was asked for by name: having no datastore is no fault then. */
  readonly isListed: boolean;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DomainResult {
  readonly report: DomainReport;
  /** The space and table that were loaded; null when none was. */
  readonly stored: StoredSpace | null;
}

/** Every datastore of a domain, one after the other. What is wrong with one is its report. */
export async function migrateDomain(run: DomainRun, domain: string): Promise<DomainResult[]> {
  run.signal?.throwIfAborted();
  const opened = await reported(domain, () => openDomain(run, domain));
  if ('report' in opened) return [opened];
  const { sources, superseded, failed } = opened;
  const results: DomainResult[] = [...failed];
  for (const source of sources) {
    const result = await reported(domain, () => migrateOne(run, source));
    results.push(result);
  }
  if (results.length === 0) results.push({ report: nothing(domain, 'no-datastore'), stored: null });
  return superseded.length === 0 ? results : results.map((result) => withWarnings(result, superseded));
}

async function migrateOne(run: DomainRun, source: DatastoreSource): Promise<DomainResult> {
  const { gallery, mode, onProgress, signal } = run;
  if (source.datastore.state === 'empty' && mode !== 'validate') {
    const warning = 'the datastore is empty: DeepFace is building it, or a photo made it fail';
    const empty = nothing(source.domain, 'empty');
    return {
      stored: null,
      report: {
        ...empty,
        space: spaceName(source.space),
        datastore: source.datastore.path,
        warnings: [...source.warnings, warning],
      },
    };
  }
  return migrateSource({ gallery, source, mode, onProgress, signal });
}

interface OpenedDomain {
  readonly sources: readonly DatastoreSource[];
  /** What is said of datastores that newer ones made obsolete. */
  readonly superseded: readonly string[];
  readonly failed: readonly DomainResult[];
}

async function openDomain(run: DomainRun, domain: string): Promise<OpenedDomain> {
  const folder = domainFolder(run.storage, domain);
  const found = folder === null ? [] : await foundIn(folder);
  const current = found.filter(({ supersededBy }) => supersededBy === null);
  if (current.length === 0 && !run.isListed)
    throw new KithError('migration-no-datastore', { domain, folder: folder ?? run.storage });
  const datastores: Datastore[] = [];
  const failed: DomainResult[] = [];
  for (const { path } of current) {
    const opened = await reported(domain, async () => ({ datastore: await openDatastore(path) }));
    if ('report' in opened) failed.push(opened);
    else datastores.push(opened.datastore);
  }
  const superseded = found.flatMap(({ name, supersededBy }) =>
    supersededBy === null ? [] : [`${name} was left out: DeepFace no longer reads it beside ${supersededBy}`],
  );
  return { sources: sourcesOf(domain, datastores, run.given), superseded, failed };
}

async function foundIn(folder: string): Promise<Awaited<ReturnType<typeof findDatastores>>> {
  try {
    return await findDatastores(folder);
  } catch (fault) {
    if (fault instanceof KithError && fault.code === 'datastore-missing') return [];
    throw fault;
  }
}

/** Catalogued faults of a domain are its report; a signal that fired, or a defect of Kith's, ends the run. */
async function reported<T>(domain: string, work: () => Promise<T>): Promise<T | DomainResult> {
  try {
    return await work();
  } catch (fault) {
    if (!(fault instanceof KithError)) throw fault;
    return { report: { domain, error: fault.toJSON() }, stored: null };
  }
}

function nothing(domain: string, state: MigrationState): MigrationReport {
  return {
    domain,
    space: null,
    state,
    datastore: null,
    rows: 0,
    migrated: 0,
    updated: 0,
    unchanged: 0,
    skipped: [],
    persons: 0,
    facesPerPerson: 0,
    wholePhoto: 0,
    seconds: 0,
    validated: state === 'no-datastore' ? { ok: 0, missing: 0, extra: 0, different: 0 } : null,
    findings: [],
    warnings: [],
  };
}

function withWarnings(result: DomainResult, warnings: readonly string[]): DomainResult {
  const { report } = result;
  if ('error' in report) return result;
  return { ...result, report: { ...report, warnings: [...report.warnings, ...warnings] } };
}
