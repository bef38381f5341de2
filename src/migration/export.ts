import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { datastoreFileName } from '../datastore/file-name.js';
import { type WritableRow, writeDatastore } from '../datastore/write.js';
import { parseSpaceName, spaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import type { StoredSpace } from '../gallery/domain.js';
import type { Gallery } from '../gallery/gallery.js';
import { readSpaces } from '../gallery/space-store.js';
import { identifier } from '../gallery/sql-values.js';
import { readExport } from './export-rows.js';
import { type ProgressListener, ProgressMeter } from './progress.js';

export interface ExportOptions {
  readonly domain: string;
  /** Folder that gets the datastore, under the name that DeepFace would give it. Made when it is not there. */
  readonly out: string;
  /** Name of the space to write; the domain's own unless given. */
  readonly space?: string;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

export interface ExportReport {
  readonly domain: string;
  readonly space: string;
  /** The file that was written. */
  readonly datastore: string;
  /** Rows written: faces, and the rows that a migration skipped and that are kept for this. */
  readonly rows: number;
  readonly faces: number;
  readonly skippedRows: number;
  readonly seconds: number;
}

/**
 * Writes a domain as a datastore that DeepFace opens (layout F), atomically: the rows of the migrated datastore in its
 * order with all their fields, those that were skipped too, then what was enrolled since. Paths are those that the
 * datastore had: a person who was renamed in the gallery stays in their folder.
 * Throws `domain-unknown`, `space-undeclared`, `export-no-space`, `datastore-name`, `datastore-not-written`.
 */
export async function exportDomain(gallery: Gallery, options: ExportOptions): Promise<ExportReport> {
  const { domain, out, signal } = options;
  const began = performance.now();
  const stored = await storedSpaceOf(gallery, options);
  if (stored.space === null) throw new KithError('space-undeclared', { domain, given: 'a datastore' });
  const space = spaceName(stored.space);
  const path = join(out, datastoreFileName(stored.space));
  const meter = new ProgressMeter({ domain, space }, options.onProgress);
  const total = await countFaces(gallery, stored, domain);
  meter.begin('exporting', total);
  const written = { faces: 0, skippedRows: 0 };
  await mkdirFor(out, path);
  const rows = (async function* (): AsyncGenerator<readonly WritableRow[]> {
    for await (const batch of readExport(gallery.database, stored, domain, signal)) {
      for (const { isFace } of batch) written[isFace ? 'faces' : 'skippedRows']++;
      meter.advance(written.faces, total);
      yield batch;
    }
  })();
  const file = await writeDatastore(path, rows, signal ? { signal } : {});
  meter.end();
  const seconds = Math.round(performance.now() - began) / 1000;
  return { domain, space, datastore: file.path, rows: file.rows, ...written, seconds };
}

async function storedSpaceOf(gallery: Gallery, { domain, space, signal }: ExportOptions): Promise<StoredSpace> {
  const found = await gallery.domain(domain, signal ? { signal } : {});
  if (space === undefined) return found.stored;
  const name = spaceName(parseSpaceName(space));
  const spaces = await readSpaces(gallery.database);
  const named = spaces.find((one) => one.space !== null && spaceName(one.space) === name);
  if (named === undefined) throw new KithError('export-no-space', { domain, space: name });
  return named;
}

async function countFaces(gallery: Gallery, { table }: StoredSpace, domain: string): Promise<number> {
  const { rows } = await gallery.database.query<{ count: number }>({
    text: `select count(*)::integer as count from ${identifier(table)} where domain = $1`,
    values: [domain],
  });
  return rows[0]?.count ?? 0;
}

async function mkdirFor(folder: string, path: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new KithError('datastore-not-written', { path, why }, { cause });
  }
}
