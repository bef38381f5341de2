import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from 'tar';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkArchive, hashFile, packArchive, unpackArchive } from '#kith/recognition/archive-file.js';

const DATASTORE = 'ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl';

let folder: string;
let storage: string;
let archive: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kith-archive-'));
  storage = join(folder, 'Šiška');
  archive = join(folder, 'pkl_archive_Šiška_2024-01-01.tar.gz');
  await mkdir(storage);
  await writeFile(join(storage, DATASTORE), randomBytes(3_000_001));
  await writeFile(join(storage, `${DATASTORE}.ldsa`), '(1, 2)');
});
afterEach(() => rm(folder, { recursive: true }));

const files = () =>
  Promise.all(
    [DATASTORE, `${DATASTORE}.ldsa`].map(async (name) => {
      const path = join(storage, name);
      return { name, bytes: (await stat(path)).size, sha256: await hashFile(path) };
    }),
  );
const pack = async (check: (partial: string) => Promise<void> = async () => undefined) =>
  packArchive(archive, storage, 'Šiška', await files(), check);

describe('an archive', () => {
  it('gives back what was packed, byte for byte, with its times', async () => {
    const before = await files();
    const { mtimeMs } = await stat(join(storage, DATASTORE));
    expect(await pack()).toBe((await stat(archive)).size);
    const manifest = await checkArchive(archive);
    expect(manifest.domain).toBe('Šiška');
    expect([...manifest.files]).toEqual(before.map(({ name, sha256 }) => [name, sha256]));

    await rm(storage, { recursive: true });
    await unpackArchive(archive, storage, new Set(manifest.files.keys()));
    expect(await files()).toEqual(before);
    expect(Math.abs((await stat(join(storage, DATASTORE))).mtimeMs - mtimeMs)).toBeLessThan(1000);
    expect((await readdir(storage)).toSorted()).toEqual([DATASTORE, `${DATASTORE}.ldsa`]);
  });

  it('leaves nothing when the check before its renaming fails', async () => {
    await expect(pack(() => Promise.reject(new Error('differs')))).rejects.toMatchObject({
      code: 'archive-not-written',
    });
    expect(await readdir(folder)).toEqual(['Šiška']);
  });

  it('leaves nothing when its folder does not take it', async () => {
    archive = join(folder, 'Šiška', DATASTORE, 'a.tar.gz'); // below a file
    await expect(pack()).rejects.toMatchObject({ code: 'archive-not-written' });
    expect((await readdir(storage)).toSorted()).toEqual([DATASTORE, `${DATASTORE}.ldsa`]);
  });
});

describe('a damaged archive is refused', () => {
  it('cut off', async () => {
    const size = await pack();
    await truncate(archive, Math.floor(size / 2));
    await expect(checkArchive(archive)).rejects.toMatchObject({ code: 'archive-damaged' });
  });

  it('with another byte', async () => {
    await pack();
    const bytes = await readFile(archive);
    bytes[1_500_000] = (bytes[1_500_000] ?? 0) ^ 1;
    await writeFile(archive, bytes);
    await expect(checkArchive(archive)).rejects.toMatchObject({ code: 'archive-damaged' });
  });

  it('with content that its manifest does not vouch for', async () => {
    const [first, second] = await files();
    await packArchive(
      archive,
      storage,
      'Šiška',
      [{ ...first!, sha256: second!.sha256 }, second!],
      async () => undefined,
    );
    await expect(checkArchive(archive)).rejects.toThrow(/is not what its manifest says/);
  });

  it('without a manifest, or with names that lead out of the folder', async () => {
    await create({ cwd: storage, file: archive, gzip: true }, [DATASTORE]);
    await expect(checkArchive(archive)).rejects.toMatchObject({ code: 'archive-damaged' });
    await writeFile(join(storage, 'SHA256SUMS'), `# kith archive of domain "x"\n${'0'.repeat(64)}  ../../etc/passwd\n`);
    await create({ cwd: storage, file: archive, gzip: true }, ['SHA256SUMS', DATASTORE]);
    await expect(unpackArchive(archive, storage, new Set(['../../etc/passwd']))).rejects.toMatchObject({
      code: 'archive-damaged',
    });
  });

  it('that is no archive at all', async () => {
    await writeFile(archive, 'hello');
    await expect(checkArchive(archive)).rejects.toMatchObject({ code: 'archive-damaged' });
  });
});
