import type { Layout } from './datastore-types.js';
import { PyArray, PyDict, PyList, PyTuple, type Value } from './pickle-value.js';
import type { DatastoreRow, RowBox } from './row.js';

/** The models of `representations_ensemble.pkl`, in the order of each row's vectors. */
export const ENSEMBLE = ['vggface', 'facenet', 'openface', 'deepface'] as const;

/** A row as it was recognised: `row` is its place in the list. */
export interface RecognisedRow {
  readonly layout: Layout;
  readonly content: Omit<DatastoreRow, 'row'>;
}

/** Reads a row of any layout; null when no version of DeepFace wrote such a thing. `part` picks an ensemble's vector. */
export function recogniseRow(value: Value, part: number): RecognisedRow | null {
  if (value instanceof PyDict) return dictRow(value.entries);
  if (value instanceof PyList && value.floats === null) return sequenceRow(value.items, 'C', part);
  if (value instanceof PyTuple) return sequenceRow(value.items, 'D', part);
  return null;
}

/** Layouts E and F: `{identity, hash, embedding, target_x, target_y, target_w, target_h}`. */
function dictRow(entries: ReadonlyMap<string, Value>): RecognisedRow | null {
  const vector = entries.get('embedding');
  if (vector === undefined || !entries.has('identity')) return null;
  const side = (name: string): Value => entries.get(`target_${name}`) ?? null;
  const box = boxOf(side('x'), side('y'), side('w'), side('h'));
  return { layout: 'F', content: content(entries.get('identity')!, entries.get('hash') ?? null, vector, box) };
}

/** Layouts A and B (2 items), the ensemble (5), C and D (6: a list or a tuple). The first is always the path. */
function sequenceRow(items: readonly Value[], boxed: 'C' | 'D', part: number): RecognisedRow | null {
  const [path = null, vector = null, x, y, w, h] = items;
  if (path !== null && typeof path !== 'string') return null;
  switch (items.length) {
    case 2:
      if (!isVectorLike(vector)) return null;
      return { layout: vector instanceof PyArray ? 'A' : 'B', content: content(path, null, vector, null) };
    case 5:
      if (!items.slice(1).every(isVectorLike)) return null;
      return { layout: 'A-ensemble', content: content(path, null, items[1 + part] ?? null, null) };
    case 6:
      if (!isVectorLike(vector)) return null;
      return { layout: boxed, content: content(path, null, vector, boxOf(x!, y!, w!, h!)) };
    default:
      return null;
  }
}

const isVectorLike = (value: Value): boolean =>
  value === null || value instanceof PyList || value instanceof PyTuple || value instanceof PyArray;

function content(identity: Value, hash: Value, vector: Value, box: RowBox | null): RecognisedRow['content'] {
  const embedding = vectorOf(vector);
  return {
    identity: typeof identity === 'string' ? identity : null,
    hash: typeof hash === 'string' ? hash : null,
    embedding,
    malformed: embedding === null && vector !== null,
    box,
  };
}

const boxOf = (x: Value, y: Value, width: Value, height: Value): RowBox | null =>
  typeof x === 'number' && typeof y === 'number' && typeof width === 'number' && typeof height === 'number'
    ? { x, y, width, height }
    : null;

/** The numbers of a list, tuple or array; null when it is none or holds something else. */
function vectorOf(value: Value): Float32Array | null {
  if (value instanceof PyArray) return value.values;
  if (value instanceof PyList && value.floats !== null) return value.floats;
  if (!(value instanceof PyList || value instanceof PyTuple)) return null;
  const { items } = value;
  const vector = new Float32Array(items.length);
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    if (typeof item !== 'number') return null;
    vector[i] = item;
  }
  return vector;
}
