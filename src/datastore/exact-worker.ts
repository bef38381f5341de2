import { setImmediate as otherWork } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { KithError } from '../errors.js';
import { type Datastore, openDatastore } from './datastore.js';
import { fileState } from './datastore-file.js';
import { ExactFaces } from './exact-faces.js';
import type { ExactCandidate } from './exact-index.js';
import type { ExactAnswer, ExactFault, ExactRequest, LoadedFaces, Numbered } from './exact-messages.js';

/** The search thread: holds the faces of each index. Loading and long batches let other requests in between. */

/** Probes of a batch between two looks at other requests. */
const PROBES_AT_ONCE = 4;

const indexes = new Map<number, ExactFaces>();
/** Requests at work, and those of them that nobody waits for any more. */
const running = new Set<number>();
const cancelled = new Set<number>();

async function load(index: number, path: string, dimensions: number | null): Promise<LoadedFaces> {
  const { key } = await fileState(path);
  const datastore = await openDatastore(path);
  if (datastore.state === 'empty') return { key, rows: 0, faces: 0, persons: 0, dimensions: 0 };
  const first = await read(datastore, dimensions);
  const { faces, rows } = first.usual === first.faces.dimensions ? first : await read(datastore, first.usual);
  indexes.set(index, faces);
  return { key, rows, faces: faces.faces, persons: faces.persons, dimensions: faces.dimensions };
}

interface ReadFaces {
  readonly faces: ExactFaces;
  readonly rows: number;
  /** The dimension asked for, else that of most rows. */
  readonly usual: number;
}

/** Reads the faces of the given dimension, or of the first row's in the hope that most rows have it. */
async function read(datastore: Datastore, dimensions: number | null): Promise<ReadFaces> {
  const counts = new Map<number, number>();
  let faces = dimensions === null ? null : new ExactFaces(dimensions);
  let rows = 0;
  for await (const batch of datastore.rows())
    for (const row of batch) {
      rows++;
      if (row.embedding === null) continue;
      faces ??= new ExactFaces(row.embedding.length);
      counts.set(row.embedding.length, (counts.get(row.embedding.length) ?? 0) + 1);
      faces.add(row);
    }
  faces ??= new ExactFaces(1);
  const [most] = [...counts].sort(([d, n], [e, m]) => m - n || d - e);
  return { faces, rows, usual: dimensions ?? most?.[0] ?? faces.dimensions };
}

async function search(
  request: number,
  { index, probes, criteria }: ExactRequest & { kind: 'search' },
): Promise<ExactCandidate[][]> {
  const faces = indexes.get(index);
  const found: ExactCandidate[][] = [];
  if (faces === undefined) return probes.map(() => []);
  for (const [i, probe] of probes.entries()) {
    if (i > 0 && i % PROBES_AT_ONCE === 0) await otherWork();
    if (cancelled.has(request)) break;
    found.push(faces.search(probe, criteria));
  }
  return found;
}

async function answer(request: number, content: ExactRequest): Promise<ExactAnswer> {
  switch (content.kind) {
    case 'load':
      return { kind: 'loaded', loaded: await load(content.index, content.path, content.dimensions) };
    case 'search':
      return { kind: 'found', found: await search(request, content) };
    case 'cancel':
      if (running.has(content.request)) cancelled.add(content.request);
      return { kind: 'done' };
    case 'unload':
      indexes.delete(content.index);
      return { kind: 'done' };
  }
}

/** Faults cross the thread as code and message: their class does not survive the copy. */
const portable = (fault: unknown): ExactFault =>
  fault instanceof KithError
    ? { code: fault.code, message: fault.message }
    : { code: 'internal', message: String(fault) };

parentPort?.on('message', ({ request, content }: Numbered<ExactRequest>) => {
  running.add(request);
  void answer(request, content)
    .catch((fault: unknown): ExactAnswer => ({ kind: 'fault', fault: portable(fault) }))
    .then((given) => {
      running.delete(request);
      cancelled.delete(request);
      parentPort?.postMessage({ request, content: given } satisfies Numbered<ExactAnswer>);
    });
});
