import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, mkdir, open, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { create, Parser, type ReadEntry } from 'tar';
import { KithError } from '../errors.js';
import type { ArchivedFile } from './archive.js';
import { syncFolder } from './file-replace.js';

/** First entry of an archive: what `sha256sum -c` reads, with the domain in a comment. */
const MANIFEST = 'SHA256SUMS';
const DOMAIN_LINE = /^# kith archive of domain (?<domain>".*")$/;
const FILE_LINE = /^(?<sha256>[0-9a-f]{64}) {2}(?<name>[^/\\]+)$/;
/** A manifest of a few lines; more is no archive of ours. */
const MANIFEST_LIMIT = 1024 * 1024;

export interface Manifest {
  readonly domain: string;
  /** SHA-256 by file name. */
  readonly files: ReadonlyMap<string, string>;
}

export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

const manifestText = (domain: string, files: readonly ArchivedFile[]): string =>
  [
    `# kith archive of domain ${JSON.stringify(domain)}`,
    ...files.map(({ sha256, name }) => `${sha256}  ${name}`),
    '',
  ].join('\n');

/** Undefined when the text is not a manifest of ours. */
function readManifest(text: string): Manifest | undefined {
  const [first = '', ...lines] = text.trimEnd().split('\n');
  const domain = readDomain(first);
  const files = lines.map((line) => FILE_LINE.exec(line)?.groups);
  if (domain === null || files.length === 0) return undefined;
  const named = files.flatMap((file) => (file?.name && file.sha256 ? [[file.name, file.sha256] as const] : []));
  return named.length === files.length ? { domain, files: new Map(named) } : undefined;
}

function readDomain(line: string): string | null {
  const quoted = DOMAIN_LINE.exec(line)?.groups?.domain;
  try {
    const domain: unknown = JSON.parse(quoted ?? 'null');
    return typeof domain === 'string' ? domain : null;
  } catch {
    return null;
  }
}

const notOurs = (archive: string, why: string): KithError => new KithError('archive-damaged', { archive, why });

/**
 * Packs files of one folder, their manifest first, into `path`. Written beside it under a hidden name, flushed to the
 * disk, then renamed: the archive is there whole or not at all. Throws `archive-not-written`; then nothing is left.
 */
export async function packArchive(
  path: string,
  folder: string,
  domain: string,
  files: readonly ArchivedFile[],
  check: (partial: string) => Promise<void>,
): Promise<number> {
  const partial = join(dirname(path), `.${basename(path)}.partial`);
  const staging = join(dirname(path), `.${basename(path)}.staging`);
  try {
    // What a killed run left behind.
    await rm(staging, { recursive: true, force: true });
    await rm(partial, { force: true });
    await mkdir(staging, { recursive: true });
    await writeFile(join(staging, MANIFEST), manifestText(domain, files));
    for (const { name } of files) await symlink(join(folder, name), join(staging, name));
    const names = [MANIFEST, ...files.map(({ name }) => name)];
    await create({ cwd: staging, file: partial, gzip: true, follow: true, portable: true, strict: true }, names);
    await flush(partial);
    await check(partial);
    const { size } = await stat(partial);
    await rename(partial, path);
    await syncFolder(dirname(path));
    return size;
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    if (error instanceof KithError) throw error;
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new KithError('archive-not-written', { archive: path, why }, { cause: error });
  } finally {
    await rm(staging, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Reads an archive from end to end, giving every file to `take`, which must consume it. Throws `archive-damaged`. */
async function readEntries(
  archive: string,
  take: (entry: ReadEntry, manifest: Manifest) => Promise<void>,
): Promise<Manifest> {
  let manifest: Manifest | undefined;
  const failures: unknown[] = [];
  const taken: { readonly entry: ReadEntry; readonly done: Promise<unknown> }[] = [];
  const onReadEntry = (entry: ReadEntry): void => {
    if (entry.path === MANIFEST && manifest === undefined && entry.size <= MANIFEST_LIMIT) {
      const text: Buffer[] = [];
      entry.on('data', (chunk: Buffer) => text.push(chunk));
      entry.on('end', () => {
        manifest = readManifest(Buffer.concat(text).toString('utf8'));
      });
    } else if (manifest !== undefined && entry.type === 'File' && manifest.files.has(entry.path)) {
      taken.push({ entry, done: take(entry, manifest).catch((error: unknown) => failures.push(error)) });
    } else {
      failures.push(notOurs(archive, `it holds "${entry.path}", which its manifest does not name`));
      entry.resume();
    }
  };
  await parse(archive, onReadEntry).catch((error: unknown) => {
    failures.unshift(notOurs(archive, error instanceof Error ? error.message : String(error)));
    // The rest of what was being read will never come.
    for (const { entry } of taken) if (!entry.emittedEnd) entry.emit('error', new Error('the archive ends early'));
  });
  await Promise.all(taken.map(({ done }) => done));
  if (failures.length > 0) throw failures[0];
  if (manifest === undefined) throw notOurs(archive, 'it has no manifest');
  return manifest;
}

async function parse(archive: string, onReadEntry: (entry: ReadEntry) => void): Promise<void> {
  const parser = new Parser({ strict: true, onReadEntry });
  const ended = once(parser, 'end');
  // Awaited below; a failure before that must not count as unhandled.
  ended.catch(() => undefined);
  for await (const chunk of createReadStream(archive))
    if (!parser.write(chunk as Buffer)) await Promise.race([once(parser, 'drain'), ended]);
  parser.end();
  await ended;
}

/** Listens before it returns: an entry that nobody listens to is lost. */
function hashEntry(entry: ReadEntry): Promise<string> {
  const hash = createHash('sha256');
  entry.on('data', (chunk: Buffer) => hash.update(chunk));
  return entry.promise().then(() => hash.digest('hex'));
}

function writeEntry(entry: ReadEntry, path: string): Promise<void> {
  const file = createWriteStream(path);
  entry.on('error', (error: unknown) => file.destroy(error instanceof Error ? error : new Error(String(error))));
  entry.pipe(file);
  return finished(file);
}

/** Reads an archive back and holds every file against the manifest. Throws `archive-damaged`. */
export async function checkArchive(archive: string): Promise<Manifest> {
  const seen = new Set<string>();
  const manifest = await readEntries(archive, async (entry, { files }) => {
    if ((await hashEntry(entry)) !== files.get(entry.path))
      throw notOurs(archive, `the content of "${entry.path}" is not what its manifest says`);
    seen.add(entry.path);
  });
  for (const name of manifest.files.keys())
    if (!seen.has(name)) throw notOurs(archive, `"${name}" is in its manifest and not in it`);
  return manifest;
}

/**
 * Puts the wanted files of a checked archive into a folder, each under a temporary name until all are written and
 * flushed, with the times that they had. Throws `archive-not-restored`; then none of them is there.
 */
export async function unpackArchive(archive: string, folder: string, wanted: ReadonlySet<string>): Promise<void> {
  const temporary = (name: string): string => join(folder, `.${name}.restoring`);
  try {
    await mkdir(folder, { recursive: true });
    const modified = new Map<string, Date>();
    await readEntries(archive, async (entry) => {
      if (!wanted.has(entry.path)) {
        entry.resume();
        return;
      }
      modified.set(entry.path, entry.mtime ?? new Date());
      await writeEntry(entry, temporary(entry.path));
      await flush(temporary(entry.path));
    });
    for (const [name, time] of modified) {
      await utimes(temporary(name), time, time);
      await rename(temporary(name), join(folder, name));
    }
    await syncFolder(folder);
  } catch (error) {
    for (const name of wanted) await rm(temporary(name), { force: true });
    if (error instanceof KithError) throw error;
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new KithError('archive-not-restored', { archive, folder, why }, { cause: error });
  }
}

/** Whether something lies at a path; a dangling link does. */
export async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
