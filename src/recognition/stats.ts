import { spaceFromName, spaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import type { DomainStats } from '../gallery/domain.js';
import type { DatastoreShelf } from './datastore-shelf.js';
import type { DomainBook } from './domain-book.js';
import type { DomainState } from './domain-state.js';
import type { GallerySource } from './gallery-source.js';

export interface StatsParts {
  readonly source: GallerySource;
  readonly book: DomainBook;
  readonly datastores: DatastoreShelf;
}

const perPerson = (faces: number, persons: number): number =>
  persons === 0 ? 0 : Math.round((100 * faces) / persons) / 100;

/** Counts of every domain, or of one: the gallery's, and of a domain that only a datastore has, the datastore's. */
export async function domainStats(
  parts: StatsParts,
  domain: string | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly DomainStats[]> {
  const states = domain === undefined ? await parts.book.states() : [await parts.book.state(domain)];
  const inGallery = await galleryStats(parts, states, signal);
  const all = states.map(async (state) => {
    const counted = inGallery.get(state.domain);
    return counted === undefined ? datastoreStats(parts, state) : { ...counted, mode: state.mode };
  });
  return Promise.all(all);
}

async function galleryStats(
  { source }: StatsParts,
  states: readonly DomainState[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, DomainStats>> {
  if (states.length === 0) await assertUpToDate(source);
  if (!states.some(({ migrated }) => migrated)) return new Map();
  const gallery = await source.get();
  const { domains } = await gallery.getStats(signal === undefined ? {} : { signal });
  return new Map(domains.map((stats) => [stats.domain, stats]));
}

/** "No domain yet" must not hide the old service's tables, or a schema that has to be brought up to date first. */
async function assertUpToDate(source: GallerySource): Promise<void> {
  try {
    await source.get();
  } catch (error) {
    if (error instanceof KithError && error.code.startsWith('schema-') && error.code !== 'schema-missing') throw error;
  }
}

async function datastoreStats({ datastores }: StatsParts, state: DomainState): Promise<DomainStats> {
  const { persons, faces, fileSpace, dimensions } = (await datastores.index(state)).status();
  const space = fileSpace === null ? null : spaceName(spaceFromName(fileSpace, dimensions));
  return { domain: state.domain, mode: state.mode, space, persons, faces, facesPerPerson: perPerson(faces, persons) };
}
