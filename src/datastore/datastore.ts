import { access } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileState } from './datastore-file.js';
import { readRows } from './datastore-read.js';
import type { Datastore, DatastoreSurvey, Layout, RowsOptions } from './datastore-types.js';
import { parseFileName } from './file-name.js';
import type { DatastoreRow } from './row.js';
import { ENSEMBLE } from './row-layout.js';

export type { Datastore, DatastoreSurvey, Layout, RowsOptions } from './datastore-types.js';

/**
 * Opens a DeepFace datastore of any layout and pickle protocol, executing nothing: reads up to its first row.
 * Memory stays bounded whatever the file's size. Throws `datastore-missing`, `-unreadable`, `-no-bytes`, `-truncated`,
 * `-not-pickle`, `-not-deepface`, `-forbidden-global`, `-trailing-bytes`, `-changed`.
 *
 * @example
 * const datastore = await openDatastore(path);
 * for await (const rows of datastore.rows()) for (const { identity, embedding } of rows) count(identity, embedding);
 */
export async function openDatastore(path: string): Promise<Datastore> {
  const state = await fileState(path);
  const name = parseFileName(basename(path));
  const seen = await firstLayout(path);
  const layout = seen === 'F' && name?.era === 'E' ? 'E' : seen;
  const signature = await exists(`${path}.ldsa`);
  const rows = ({ part = 0, signal }: RowsOptions = {}): AsyncIterable<readonly DatastoreRow[]> =>
    readRows({ path, state, part, signal });
  return Object.freeze({
    path,
    bytes: state.bytes,
    layout,
    state: layout === null ? 'empty' : 'rows',
    fileSpace: name?.space ?? null,
    parts: layout === 'A-ensemble' ? ENSEMBLE : [name?.space.model ?? null],
    signature,
    rows,
    survey: (options?: RowsOptions) => survey(rows(options)),
  });
}

/** The layout of the first row, or null when the list has none. */
async function firstLayout(path: string): Promise<Layout | null> {
  let layout: Layout | null = null;
  const onLayout = (seen: Layout): void => {
    layout = seen;
  };
  for await (const batch of readRows({ path, part: 0, onLayout })) if (batch.length > 0) break;
  return layout;
}

async function survey(batches: AsyncIterable<readonly DatastoreRow[]>): Promise<DatastoreSurvey> {
  const counts = new Map<number, number>();
  let rows = 0;
  for await (const batch of batches) {
    rows += batch.length;
    for (const { embedding } of batch)
      if (embedding !== null) counts.set(embedding.length, (counts.get(embedding.length) ?? 0) + 1);
  }
  const dimensions = [...counts]
    .map(([length, count]) => ({ dimensions: length, rows: count }))
    .sort((a, b) => b.rows - a.rows || a.dimensions - b.dimensions);
  return { rows, dimensions };
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
