import { setImmediate as otherWork } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { KithError } from '../errors.js';
import { openDatastore } from './datastore.js';
import { fileState } from './datastore-file.js';
import { ExactFaces } from './exact-faces.js';
import type { ExactCandidate } from './exact-index.js';
import { WIDE } from './exact-matrix.js';
import type { ExactAnswer, ExactFault, ExactRequest, LoadedFaces, Numbered } from './exact-messages.js';

/** The search thread: holds the faces of each index. Loading and long batches let other requests in between. */

const indexes = new Map<number, ExactFaces>();
/** Requests at work, and those of them that nobody waits for any more. */
const running = new Set<number>();
const cancelled = new Set<number>();

async function load(index: number, path: string, dimensions: number | null): Promise<LoadedFaces> {
  const { key } = await fileState(path);
  const datastore = await openDatastore(path);
  const empty: LoadedFaces = { key, rows: 0, faces: 0, persons: 0, dimensions: 0 };
  if (datastore.state === 'empty') return empty;
  const faces = new ExactFaces(dimensions ?? (await datastore.survey()).dimensions[0]?.dimensions ?? 1);
  let rows = 0;
  for await (const batch of datastore.rows()) {
    for (const row of batch) faces.add(row);
    rows += batch.length;
  }
  indexes.set(index, faces);
  return { key, rows, faces: faces.faces, persons: faces.persons, dimensions: faces.dimensions };
}

async function search(
  request: number,
  { index, probes, criteria }: ExactRequest & { kind: 'search' },
): Promise<ExactCandidate[][]> {
  const faces = indexes.get(index);
  const found: ExactCandidate[][] = [];
  if (faces === undefined) return probes.map(() => []);
  for (let from = 0; from < probes.length; from += WIDE) {
    if (from > 0) await otherWork();
    if (cancelled.has(request)) break;
    found.push(...faces.search(probes.slice(from, from + WIDE), criteria));
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
