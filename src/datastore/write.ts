import { randomUUID } from 'node:crypto';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KithError } from '../errors.js';
import { PickleWriter } from './pickle-writer.js';
import type { DatastoreRow } from './row.js';

/** What the writer needs of a row; a {@link DatastoreRow} fits. */
export type WritableRow = Pick<DatastoreRow, 'identity' | 'hash' | 'box'> & {
  /** Float32 or wider; null is written as None. */
  readonly embedding: Float32Array | Float64Array | readonly number[] | null;
};

export interface WriteReport {
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
}

/** Rows after which CPython begins a new APPENDS. */
const BATCH = 1000;
const FIELDS = ['identity', 'hash', 'embedding', 'target_x', 'target_y', 'target_w', 'target_h'] as const;
type Field = (typeof FIELDS)[number];

/**
 * Writes a datastore of layout F (protocol 5), which DeepFace 0.0.90 and newer opens, in the order given, None
 * embeddings included. A box is rounded to whole pixels, as DeepFace has it; a row without one gets four zeros.
 * Atomic: a file beside it is written, flushed to the disk and renamed, so that readers see the old one or the new one.
 * What fails in `rows` is thrown as it is. Throws `datastore-not-written`.
 */
export async function writeDatastore(
  path: string,
  rows: AsyncIterable<readonly WritableRow[]> | Iterable<readonly WritableRow[]>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<WriteReport> {
  const target = await realpath(path).catch(() => path);
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.${randomUUID().slice(0, 8)}.tmp`);
  const told = <T>(work: Promise<T>): Promise<T> =>
    work.catch((cause: unknown) => Promise.reject(unwritten(path, cause)));
  const file = await told(open(temporary, 'wx'));
  try {
    let written: { rows: number; bytes: number };
    try {
      written = await writeRows(file, rows, told, options.signal);
      await told(keepRights(file, target));
      await told(file.sync());
    } finally {
      await file.close();
    }
    await told(rename(temporary, target));
    await told(syncFolder(dirname(target)));
    return { path, ...written };
  } catch (fault) {
    await rm(temporary, { force: true });
    throw fault;
  }
}

async function writeRows(
  file: FileHandle,
  batches: AsyncIterable<readonly WritableRow[]> | Iterable<readonly WritableRow[]>,
  told: <T>(work: Promise<T>) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<{ rows: number; bytes: number }> {
  const pickle = new PickleWriter();
  const keys = new Map<Field, number>();
  let rows = 0;
  let bytes = 0;
  const drain = async (): Promise<void> => {
    bytes += await told(writeWhole(file, pickle.drain()));
  };
  pickle.emptyList();
  for await (const batch of batches) {
    signal?.throwIfAborted();
    for (const row of batch) {
      if (rows % BATCH === 0) pickle.mark();
      writeRow(pickle, keys, row);
      rows++;
      if (rows % BATCH === 0) pickle.appends();
      if (pickle.endFrame()) await drain();
    }
  }
  if (rows % BATCH !== 0) pickle.appends();
  pickle.stop();
  await drain();
  return { rows, bytes };
}

function writeRow(pickle: PickleWriter, keys: Map<Field, number>, row: WritableRow): void {
  const key = (field: Field): void => {
    const id = keys.get(field);
    if (id === undefined) keys.set(field, pickle.text(field));
    else pickle.recall(id);
  };
  const box = row.box ?? { x: 0, y: 0, width: 0, height: 0 };
  pickle.emptyDict();
  pickle.mark();
  key('identity');
  writeText(pickle, row.identity);
  key('hash');
  writeText(pickle, row.hash);
  key('embedding');
  if (row.embedding === null) pickle.none();
  else pickle.floats(row.embedding);
  for (const [field, side] of [
    ['target_x', box.x],
    ['target_y', box.y],
    ['target_w', box.width],
    ['target_h', box.height],
  ] as const) {
    key(field);
    pickle.integer(Number.isFinite(side) ? Math.round(side) : 0);
  }
  pickle.setItems();
}

function writeText(pickle: PickleWriter, value: string | null): void {
  if (value === null) pickle.none();
  else pickle.text(value);
}

/** Writes all of it: a disk that fills up takes a part first. */
async function writeWhole(file: FileHandle, bytes: Uint8Array): Promise<number> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
  return bytes.length;
}

/** Gives the new file the rights of the one that it replaces, so that DeepFace can go on reading it. */
async function keepRights(file: FileHandle, replaced: string): Promise<void> {
  const rights = await stat(replaced).catch(() => null);
  if (rights !== null) await file.chmod(rights.mode & 0o777);
}

/** Makes the rename itself durable. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function unwritten(path: string, cause: unknown): KithError {
  const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  return new KithError('datastore-not-written', { path, why }, { cause });
}
