import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { spaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import type { Gallery } from '../gallery/gallery.js';
import type { FaceEngine } from '../inference/engine.js';
import type { PhotoLimits } from '../photo/photo.js';
import { DEFAULT_QUALITY, type EnrolImage, type EnrolReport, type EnrolRequest } from './enrol.js';
import { type EnrolRules, enrolImage, type ImageTask, rulesName } from './enrol-image.js';
import {
  deleteFacesOfImage,
  type EnrolledImage,
  enrolledImages,
  forgetImage,
  recordImage,
  storedImages,
} from './enrol-record.js';
import { EnrolTally } from './enrol-report.js';
import { imagesOfFolder, keyOfPath } from './enrol-source.js';

export interface EnrolParts {
  readonly gallery: Gallery;
  readonly engine: FaceEngine;
  /** Path in front of `<Person>/<image>` for the first images of a domain. */
  readonly prefix: string;
  readonly photoLimits: Partial<PhotoLimits>;
}

interface Known {
  readonly enrolled: ReadonlyMap<string, EnrolledImage>;
  readonly stored: ReadonlySet<string>;
}

/** Photos into a domain whose space is the engine's. What was done before is passed over, so a killed run goes on. */
export async function runEnrolment(parts: EnrolParts, request: EnrolRequest): Promise<EnrolReport> {
  const { gallery, engine } = parts;
  const { domain, signal } = request;
  const { stored: space } = await gallery.ensureDomain(domain, engine.space);
  const known = {
    enrolled: await enrolledImages(gallery.database, domain),
    stored: await storedImages(gallery.database, domain, space.table),
  };
  const root = typeof request.source === 'string' ? resolve(request.source) : 'memory';
  const images =
    typeof request.source === 'string'
      ? withStoredPaths(await imagesOfFolder(request.source), known, parts.prefix)
      : request.source;
  const task: ImageTask = {
    gallery,
    engine,
    domain,
    table: space.table,
    rules: rulesOf(request),
    root,
    photoLimits: parts.photoLimits,
    signal,
  };
  const tally = new EnrolTally(images.length, request.onProgress);
  await inParallel(images, lanesFor(engine), (image) => enrolOne(task, image, known, tally), signal);
  const removed = root === 'memory' ? [] : goneFrom(images, root, known);
  const pruned = request.prune === true ? await prune(task, images, removed) : 0;
  return tally.report({ domain, space: spaceName(engine.space), removed, pruned });
}

function rulesOf({ faces = 'largest', quality, skipPoor = false }: EnrolRequest): EnrolRules {
  return { faces, quality: { ...DEFAULT_QUALITY, ...quality }, skipPoor };
}

/** The paths under which the gallery has, or will have, a folder's images: the way its other paths are written. */
function withStoredPaths(images: readonly EnrolImage[], { enrolled, stored }: Known, fallback: string): EnrolImage[] {
  const paths = new Map<string, string>();
  const prefixes = new Map<string, number>();
  for (const path of [...stored, ...enrolled.keys()]) {
    const parts = keyOfPath(path);
    if (parts === null) continue;
    paths.set(parts.key, path);
    prefixes.set(parts.prefix, (prefixes.get(parts.prefix) ?? 0) + 1);
  }
  const [usual] = [...prefixes].toSorted((a, b) => b[1] - a[1]);
  const prefix = usual?.[0] ?? fallback;
  return images.map((image) => ({
    ...image,
    path: paths.get(image.path) ?? (prefix === '' ? image.path : `${prefix}/${image.path}`),
  }));
}

async function enrolOne(task: ImageTask, image: EnrolImage, known: Known, tally: EnrolTally): Promise<void> {
  const before = known.enrolled.get(image.path);
  let bytes: Uint8Array;
  try {
    bytes = await image.bytes();
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    tally.unreadable(image, 'file-unreadable', `the file cannot be read (${why})`);
    return;
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  // The folder is what counts: a face that was deleted from the gallery while its image stayed comes back.
  const kept = before?.outcome !== 'enrolled' || known.stored.has(image.path);
  if (before?.sha256 === sha256 && before.rules === rulesName(task.rules) && kept) {
    tally.add(before, 'unchanged', 0);
    return;
  }
  if (before === undefined && known.stored.has(image.path)) {
    // Migrated, and now seen for the first time: its hash is noted, its embedding stays what it was.
    const rules = rulesName(task.rules);
    const adopted: EnrolledImage = { ...image, sha256, rules, root: task.root, outcome: 'enrolled', notes: {} };
    await recordImage(task.gallery.database, task.domain, adopted);
    tally.add(adopted, 'unchanged', 0);
    return;
  }
  const { image: result, facesWritten } = await enrolImage(task, image, bytes);
  tally.add(result, known.stored.has(image.path) ? 'replaced' : 'new', facesWritten);
}

/** As many images at once as keep every core and the engine busy: one is decoded while others are in the engine. */
const lanesFor = ({ photosAtOnce }: FaceEngine): number =>
  Math.max(photosAtOnce, Math.min(availableParallelism() + 2, 10));

async function inParallel(
  images: readonly EnrolImage[],
  count: number,
  work: (image: EnrolImage) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const queue = images.values();
  const lane = async (): Promise<void> => {
    for (const image of queue) {
      signal?.throwIfAborted();
      await work(image);
    }
  };
  const lanes = Array.from({ length: count }, lane);
  // All lanes end before the first fault is thrown: none goes on writing behind a caller's back.
  const outcomes = await Promise.allSettled(lanes);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

/** Images that this folder gave at an earlier run and no longer holds. */
function goneFrom(images: readonly EnrolImage[], root: string, { enrolled }: Known): readonly EnrolledImage[] {
  const there = new Set(images.map(({ path }) => path));
  return [...enrolled.values()].filter((image) => image.root === root && !there.has(image.path));
}

async function prune(
  { gallery, domain, table }: ImageTask,
  images: readonly EnrolImage[],
  removed: readonly EnrolledImage[],
): Promise<number> {
  // An unmounted disk looks like an empty folder.
  if (images.length === 0 && removed.length > 0) throw new KithError('enrol-prune-all', { images: removed.length });
  for (const image of removed)
    await gallery.transaction(async (_operations, database) => {
      await deleteFacesOfImage(database, domain, table, image.path);
      await forgetImage(database, domain, image.path);
    });
  return removed.length;
}
