import { type FileHandle, open, stat } from 'node:fs/promises';
import { KithError } from '../errors.js';

/** What tells one state of a file from another without reading it. */
export interface FileState {
  readonly bytes: number;
  readonly modified: Date;
  /** Equal for two looks at a file that nobody wrote in between. */
  readonly key: string;
}

/** An open datastore and the state that it had when it was opened. */
export interface OpenedFile extends AsyncDisposable {
  readonly file: FileHandle;
  readonly state: FileState;
}

/** Throws `datastore-missing`, `datastore-unreadable`. */
export async function fileState(path: string): Promise<FileState> {
  const stats = await stat(path, { bigint: true }).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  return stateOf(stats);
}

/** Throws `datastore-missing`, `datastore-unreadable`, `datastore-no-bytes`. */
export async function openFile(path: string): Promise<OpenedFile> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    const stats = await file.stat({ bigint: true });
    if (!stats.isFile()) throw new KithError('datastore-unreadable', { path, why: 'not a regular file' });
    if (stats.size === 0n) throw new KithError('datastore-no-bytes', { path });
    return { file, state: stateOf(stats), [Symbol.asyncDispose]: () => file.close() };
  } catch (fault) {
    await file.close();
    throw fault;
  }
}

/** Whether an open file was written to since it was opened. Replacing its name by another file does not count. */
export async function wasWritten({ file, state }: OpenedFile): Promise<boolean> {
  return stateOf(await file.stat({ bigint: true })).key !== state.key;
}

function stateOf(stats: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint }): FileState {
  return {
    bytes: Number(stats.size),
    modified: new Date(Number(stats.mtimeNs / 1_000_000n)),
    key: `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`,
  };
}

/** The fault that an error of the operating system is: `datastore-missing` or `datastore-unreadable`. */
export function unreadable(path: string, cause: unknown): KithError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  if (code === 'ENOENT' || code === 'ENOTDIR') return new KithError('datastore-missing', { path }, { cause });
  return new KithError('datastore-unreadable', { path, why: code }, { cause });
}
