import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type SpaceName, spaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import { fileState } from './datastore-file.js';
import { type DatastoreName, type NameEra, parseFileName } from './file-name.js';

/** A datastore lying in a domain's folder. */
export interface FoundDatastore extends DatastoreName {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  readonly modified: Date;
  /**
   * Name of a datastore beside it that made it obsolete: DeepFace changed its naming twice, and a version that reads
   * the newer name never looks at the older file again. Null when this one is current.
   */
  readonly supersededBy: string | null;
}

type Candidate = Omit<FoundDatastore, 'supersededBy'>;

const AGE: Readonly<Record<NameEra, number>> = { 'A-D': 0, E: 1, F: 2 };

/**
 * The datastores in a domain's folder, current ones first, among those the newest naming and then the newest file first.
 * Each current one is a space of its own (DeepFace writes one file per model, detector and settings).
 * Throws `datastore-missing` when there is no such folder, `datastore-unreadable`.
 */
export async function findDatastores(folder: string): Promise<FoundDatastore[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw unlistable(folder, cause);
  });
  const looked = await Promise.all(entries.map((entry) => look(folder, entry)));
  const candidates = looked.filter((candidate) => candidate !== null);
  return candidates
    .sort(newestFirst)
    .map((candidate) => ({ ...candidate, supersededBy: successor(candidate, candidates)?.name ?? null }))
    .sort((a, b) => Number(a.supersededBy !== null) - Number(b.supersededBy !== null));
}

/**
 * The datastore that answers for a domain: of the given space if there is one, else the first current one.
 * An old name that leaves parts of the space open answers for a space that agrees in what it does say.
 */
export function pickDatastore(found: readonly FoundDatastore[], space?: SpaceName): FoundDatastore | null {
  if (space === undefined) return found[0] ?? null;
  return (
    found.find((one) => spaceName(one.space) === spaceName(space)) ??
    found.find((one) => agrees(one.space, space)) ??
    null
  );
}

const agrees = (named: SpaceName, space: SpaceName): boolean =>
  (['model', 'detector', 'aligned', 'normalization', 'expand'] as const).every(
    (part) => named[part] === null || named[part] === space[part],
  );

async function look(folder: string, entry: Dirent): Promise<Candidate | null> {
  const parsed = parseFileName(entry.name);
  if (parsed === null || entry.isDirectory()) return null;
  const path = join(folder, entry.name);
  try {
    const { bytes, modified } = await fileState(path);
    return { ...parsed, path, name: entry.name, bytes, modified };
  } catch (fault) {
    if (fault instanceof KithError && fault.code === 'datastore-missing') return null; // removed, or a dangling link
    throw fault;
  }
}

const newestFirst = (a: Candidate, b: Candidate): number =>
  AGE[b.era] - AGE[a.era] || b.modified.getTime() - a.modified.getTime() || a.name.localeCompare(b.name, 'en');

/** The first datastore of a later naming for the same model (and detector, where the older name says one). */
const successor = (one: Candidate, all: readonly Candidate[]): Candidate | undefined =>
  all.find(
    (other) =>
      AGE[other.era] > AGE[one.era] &&
      other.space.model === one.space.model &&
      (one.space.detector === null || other.space.detector === one.space.detector),
  );

function unlistable(folder: string, cause: unknown): KithError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  return code === 'ENOENT' || code === 'ENOTDIR'
    ? new KithError('datastore-missing', { path: folder }, { cause })
    : new KithError('datastore-unreadable', { path: folder, why: code }, { cause });
}
