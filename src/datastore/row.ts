import { inspectVector } from '../embedding/embedding.js';

/** A face's box as the datastore has it, in pixels of the photo. */
export interface RowBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** One row of a DeepFace datastore, whatever its layout; what is wrong with it is told by {@link rowFlaw}. */
export interface DatastoreRow {
  /** Position in the datastore's list, from 0. */
  readonly row: number;
  /** Path of the image as DeepFace's `os.walk` gave it; null when the row holds no text there. */
  readonly identity: string | null;
  /** DeepFace's opaque hash of the file's size and times; null in layouts A–D. */
  readonly hash: string | null;
  /**
   * The vector rounded to float32, which is what models give and galleries store; null when there is none.
   * It is a view of its batch's memory: copy what outlives the batch.
   */
  readonly embedding: Float32Array | null;
  /** True when something other than numbers or None stands where the embedding belongs. */
  readonly malformed: boolean;
  /** Null in layouts A and B. A row without embedding usually has four zeros. */
  readonly box: RowBox | null;
}

/** Why a row cannot become a face. */
export type RowFlaw =
  | 'no-identity'
  | 'no-person'
  | 'no-embedding'
  | 'unreadable'
  | 'dimension'
  | 'not-finite'
  | 'zero-norm';

/** What each flaw means, in words for reports. */
export const ROW_FLAWS: Readonly<Record<RowFlaw, string>> = Object.freeze({
  'no-identity': 'the row names no image',
  'no-person': "the image's path has no folder that would name a person",
  'no-embedding': 'the embedding is None: DeepFace found no face or could not read the image',
  unreadable: 'the embedding is not a list of numbers',
  dimension: "the embedding's dimension is not that of most rows",
  'not-finite': 'the embedding holds NaN, infinity or a number beyond float32',
  'zero-norm': 'the embedding is all zeros',
});

/**
 * The person that an image belongs to: its folder's name, a convention that DeepFace's users follow.
 * Windows paths are understood. Null when the path has no folder.
 */
export function personOf(identity: string): string | null {
  const separator = identity.includes('/') ? '/' : '\\';
  // Called for every row of every pass: no array of parts is made. Separators may be doubled.
  const file = lastPart(identity, separator, identity.length);
  const folder = file === null ? null : lastPart(identity, separator, file.start);
  if (folder === null) return null;
  const name = identity.slice(folder.start, folder.end);
  return name === '.' || name === '..' ? null : name;
}

/** Where the last part of a path before `before` starts and ends; null when there is none. */
function lastPart(path: string, separator: string, before: number): { start: number; end: number } | null {
  let end = before;
  while (end > 0 && path[end - 1] === separator) end--;
  if (end === 0) return null;
  return { start: path.lastIndexOf(separator, end - 1) + 1, end };
}

/** The first thing that keeps a row from being a face of `dimensions` numbers, or null. */
export function rowFlaw(row: DatastoreRow, dimensions: number): RowFlaw | null {
  if (row.identity === null || row.identity === '') return 'no-identity';
  if (personOf(row.identity) === null) return 'no-person';
  if (row.malformed) return 'unreadable';
  if (row.embedding === null) return 'no-embedding';
  const norm = inspectVector(row.embedding, dimensions);
  if (typeof norm === 'number') return null;
  return norm.kind;
}

/**
 * Whether DeepFace found no face and embedded the whole photo (`enforce_detection=False`): its box is then
 * (0, 0, W−1, H−1), in older versions (0, 0, W, H). The datastore does not hold W and H: without the photo's size a box
 * that starts at the corner may be one or not, which is `null`.
 */
export function isWholePhoto(box: RowBox | null, photo?: { width: number; height: number }): boolean | null {
  if (box === null || box.x !== 0 || box.y !== 0 || box.width <= 0 || box.height <= 0) return false;
  if (photo === undefined) return null;
  return box.width >= photo.width - 1 && box.height >= photo.height - 1;
}
