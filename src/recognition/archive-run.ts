import { readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findDatastores } from '../datastore/find.js';
import { KithError } from '../errors.js';
import { writeAudit } from '../gallery/audit-store.js';
import type { Author } from '../gallery/domain.js';
import type { Gallery } from '../gallery/gallery.js';
import type { ArchivedFile, ArchiveReport, ArchiveRequest, RestoreReport } from './archive.js';
import { checkArchive, hashFile, isThere, packArchive, unpackArchive } from './archive-file.js';
import type { DatastoreShelf } from './datastore-shelf.js';
import type { DomainBook } from './domain-book.js';
import { withDomainLock } from './domain-lock.js';
import type { DomainState } from './domain-state.js';
import { syncFolder } from './file-replace.js';

/** Age in days that a cutover must have, unless told otherwise. */
export const ARCHIVE_AFTER = 14;
const DAY = 86_400_000;

export interface ArchiveParts {
  readonly gallery: Gallery;
  /** KITH_DATA */
  readonly data: string;
  readonly book: DomainBook;
  readonly datastores: DatastoreShelf;
}

/**
 * Packs a domain's datastores away and removes them once the archive, read back, equals them. Killed before the
 * archive has its name, a run leaves everything as it was; killed later, the next run finds the archive and only
 * removes what it holds. Throws `archive-too-early`, `archive-nothing`, `archive-not-written`, `archive-damaged`.
 */
export async function archiveDatastores(
  parts: ArchiveParts,
  storage: string,
  request: ArchiveRequest,
): Promise<ArchiveReport> {
  const { domain, dryRun = false } = request;
  return withDomainLock({ database: parts.gallery.database, data: parts.data }, domain, async () => {
    await parts.book.refresh();
    const state = await parts.book.state(domain);
    assertOldEnough(state, request.minDays ?? ARCHIVE_AFTER);
    const folder = resolve(storage, domain);
    const out = resolve(request.out ?? storage);
    const files = await datastoreFiles(folder);
    request.signal?.throwIfAborted();
    const made = await findArchive(out, domain, files);
    if (files.length === 0 && made === null) throw new KithError('archive-nothing', { domain, folder });
    const archive = made ?? (await freeName(out, domain));
    if (dryRun) return { domain, archive, files, bytes: null, removed: false };
    if (made === null)
      await packArchive(archive, folder, domain, files, (partial) => holdAgainst(partial, folder, files));
    else await holdAgainst(made, folder, files);
    await writeAudit(parts.gallery.database, {
      domain,
      action: 'archive',
      author: request.author,
      details: { archive, files: files.length },
    });
    await remove(parts, domain, folder, files);
    const { size } = await stat(archive);
    return { domain, archive, files, bytes: size, removed: true };
  });
}

function assertOldEnough({ domain, mode, cutover }: DomainState, minDays: number): void {
  if (mode !== 'pgvector' || cutover === null) throw new KithError('archive-not-cut-over', { domain, mode });
  const days = (Date.now() - Number(cutover.startedAt)) / DAY;
  const watched = cutover.state === 'watching' && Number(cutover.watchUntil) > Date.now();
  if (days >= minDays && !watched) return;
  const why = watched ? 'and is still watched' : '';
  throw new KithError('archive-too-early', { domain, days: days.toFixed(1), least: minDays, why });
}

/** The datastores in a folder and the signatures beside them, hashed. */
async function datastoreFiles(folder: string): Promise<readonly ArchivedFile[]> {
  const found = await findDatastores(folder).catch(() => []);
  const names: string[] = [];
  for (const { name } of found) {
    names.push(name);
    if (await isThere(join(folder, `${name}.ldsa`))) names.push(`${name}.ldsa`);
  }
  const files: ArchivedFile[] = [];
  for (const name of names.toSorted()) {
    const path = join(folder, name);
    files.push({ name, bytes: (await stat(path)).size, sha256: await hashFile(path) });
  }
  return files;
}

const stem = (domain: string): string => `pkl_archive_${domain}_`;

/** An archive that an earlier run of this command made of these files, and was killed before it had removed them. */
async function findArchive(out: string, domain: string, files: readonly ArchivedFile[]): Promise<string | null> {
  const names = await readdir(out).catch(() => []);
  const archives = names.filter((name) => name.startsWith(stem(domain)) && name.endsWith('.tar.gz')).toSorted();
  for (const name of archives.toReversed()) {
    const manifest = await checkArchive(join(out, name)).catch(() => null);
    if (manifest === null || manifest.domain !== domain) continue;
    if (files.every((file) => manifest.files.get(file.name) === file.sha256)) return join(out, name);
  }
  return null;
}

async function freeName(out: string, domain: string): Promise<string> {
  const date = new Date().toISOString().slice(0, 10);
  for (let number = 1; ; number++) {
    const path = join(out, `${stem(domain)}${date}${number === 1 ? '' : `_${number}`}.tar.gz`);
    if (!(await isThere(path))) return path;
  }
}

/** The archive, read back, against the files as they lie on the disk now. */
async function holdAgainst(archive: string, folder: string, files: readonly ArchivedFile[]): Promise<void> {
  const manifest = await checkArchive(archive);
  for (const { name } of files) {
    const now = await hashFile(join(folder, name));
    if (manifest.files.get(name) !== now)
      throw new KithError('archive-damaged', { archive, why: `"${name}" changed while it was archived` });
  }
}

/** Signatures go first: a datastore without one is read, a signature without its datastore only puzzles. */
async function remove(
  { book, datastores }: ArchiveParts,
  domain: string,
  folder: string,
  files: readonly ArchivedFile[],
): Promise<void> {
  await datastores.drop(domain);
  for (const { name } of files.toReversed()) await rm(join(folder, name), { force: true });
  if (files.length > 0) await syncFolder(folder);
  await book.forgetDatastore(domain);
}

/**
 * Puts the datastores of an archive back into their domain's folder, after the whole archive was checked. A file that
 * is already there with the same content stays; with another content nothing is restored. The mode does not change.
 * Throws `archive-damaged`, `archive-conflict`, `archive-not-restored`.
 */
export async function restoreDatastores(
  { gallery, book, data }: ArchiveParts,
  storage: string,
  file: string,
  author: Author,
  signal: AbortSignal | undefined,
): Promise<RestoreReport> {
  if (!(await isThere(file))) throw new KithError('archive-missing', { archive: file });
  const { domain, files } = await checkArchive(file);
  if (/[/\\]|^\.{0,2}$/.test(domain)) throw new KithError('archive-damaged', { archive: file, why: 'its domain' });
  return withDomainLock({ database: gallery.database, data }, domain, async () => {
    const folder = resolve(storage, domain);
    const wanted = new Set<string>();
    for (const [name, sha256] of files) {
      const path = join(folder, name);
      if (!(await isThere(path))) wanted.add(name);
      else if ((await hashFile(path)) !== sha256) throw new KithError('archive-conflict', { path });
    }
    signal?.throwIfAborted();
    await unpackArchive(file, folder, wanted);
    await writeAudit(gallery.database, {
      domain,
      action: 'archive-restore',
      author,
      details: { archive: file, files: wanted.size },
    });
    await book.refresh();
    const restored = [...files].map(async ([name, sha256]) => ({
      name,
      bytes: (await stat(join(folder, name))).size,
      sha256,
    }));
    return { domain, files: await Promise.all(restored), unchanged: files.size - wanted.size };
  });
}
