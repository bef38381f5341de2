import { createReadStream } from 'node:fs';
import { chmod, cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { create, extract } from 'tar';
import { KithError } from '../errors.js';
import type { Database } from '../gallery/database.js';

/** The folder of the database proper, in `KITH_DATA` and in the archive. */
const POSTGRES = 'postgres';
const MANIFEST = 'kith-backup.json';
/** Of the running process, not of the data. */
const LEFT_OUT = /(^|\/)(postmaster\.pid|postmaster\.opts|kith-copy|pgsql_tmp)(\/|$)/;

interface Manifest {
  readonly kind: 'kith-embedded';
  readonly madeAt: string;
  readonly postgresql: string;
  readonly schema: number;
}

async function manifestOf(database: Pick<Database, 'query'>): Promise<Manifest> {
  const { rows } = await database.query<{ postgresql: string; schema: number }>({
    text: `select current_setting('server_version') as postgresql, (select max(version) from kith_schema) as schema`,
  });
  const { postgresql = '', schema = 0 } = rows[0] ?? {};
  return { kind: 'kith-embedded', madeAt: new Date().toISOString(), postgresql, schema };
}

/**
 * Packs the embedded database. Its one backend serves nobody else while this transaction holds it, and after a
 * checkpoint all that was committed lies in its files: what is copied then is consistent.
 */
export async function packEmbedded(
  folder: string,
  database: Database,
  file: string,
  signal?: AbortSignal,
): Promise<void> {
  const staging = await mkdtemp(join(folder, 'backup-'));
  try {
    const manifest = await database.transaction(async (transaction) => {
      const found = await manifestOf(transaction);
      await transaction.query({ text: 'checkpoint' });
      // Copying takes a fraction of the time that packing does: writers wait for this only.
      await cp(join(folder, POSTGRES), join(staging, POSTGRES), {
        recursive: true,
        filter: (source) => !LEFT_OUT.test(source.slice(folder.length)),
      });
      return found;
    });
    signal?.throwIfAborted();
    await writeFile(join(staging, MANIFEST), `${JSON.stringify(manifest)}\n`);
    await create({ gzip: { level: 6 }, file, cwd: staging, portable: true }, [MANIFEST, POSTGRES]);
    await chmod(file, 0o600);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

export async function readManifest(staging: string): Promise<Manifest> {
  const text = await readFile(join(staging, MANIFEST), 'utf8').catch(() => '{}');
  const manifest = JSON.parse(text) as Partial<Manifest>;
  if (manifest.kind !== 'kith-embedded')
    throw new KithError('backup-unreadable', { why: 'it is no backup of an embedded database' });
  return manifest as Manifest;
}

function unreadable(cause: unknown): never {
  throw new KithError('backup-unreadable', { why: (cause as Error).message.split('\n', 1)[0] ?? '' }, { cause });
}

/** Reads a gzip file to its end and its checksum: one that was cut short or damaged shows before anything is unpacked. */
async function readThrough(file: string): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  await pipeline(createReadStream(file), createGunzip(), nowhere).catch(unreadable);
}

/** Unpacks an archive into a folder of its own inside `KITH_DATA`; the caller puts it in place. */
export async function unpackEmbedded(file: string, folder: string): Promise<string> {
  await readThrough(file);
  const staging = await mkdtemp(join(folder, 'restore-'));
  try {
    await extract({ file, cwd: staging, strict: true, preserveOwner: false }).catch(unreadable);
    await readManifest(staging);
    return staging;
  } catch (error) {
    await rm(staging, { recursive: true, force: true, maxRetries: 5 });
    throw error;
  }
}

/** Puts an unpacked database in the place of the one there; that one is kept beside it. Nobody may have it open. */
export async function replaceEmbedded(staging: string, folder: string): Promise<string | null> {
  const current = join(folder, POSTGRES);
  const kept = (await readdir(folder)).includes(POSTGRES) ? `${current}.before-restore-${Date.now()}` : null;
  if (kept !== null) await rename(current, kept);
  await rename(join(staging, POSTGRES), current);
  await rm(staging, { recursive: true, force: true });
  return kept;
}
