import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openDatastore } from '#kith/datastore/datastore.js';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import type { ArchiveRequest } from '#kith/recognition/archive.js';
import { checkArchive, hashFile } from '#kith/recognition/archive-file.js';
import type { Recognition } from '#kith/recognition/recognition.js';
import { type Backend, eachBackend, type TestDatabase } from '../support/database.js';
import { ARCFACE_FILE, makeRows } from '../support/domain-folder.js';
import { migratedDomain, type Row, validator, vectorOfRow } from '../support/dual-domain.js';
import { ARCFACE, inSpace, randomVector, seeded } from '../support/embeddings.js';
import { startKith } from '../support/kith.js';
import { makeWorkplace, type Workplace } from '../support/recognition.js';

const AUTHOR = { who: 'test', why: 'a reason' };
const DAY = new Date().toISOString().slice(0, 10);

eachBackend('archive', (backend: Backend) => {
  let place: Workplace;
  let database: TestDatabase;
  let gallery: Gallery;
  let recognition: Recognition;
  let rows: Row[];
  let domain = '';
  let count = 0;

  beforeAll(async () => {
    place = await makeWorkplace();
    database = await backend.fresh();
    gallery = await openGallery({ location: database.location });
    recognition = place.open(database.location, { validate: validator(place.storage) });
  });
  afterAll(async () => {
    await recognition[Symbol.asyncDispose]();
    await gallery.close();
    await place.remove();
  });
  beforeEach(async () => {
    domain = `a${++count}`;
    rows = makeRows(domain, { rows: 30, persons: 10, seed: count });
    await migratedDomain(database.location, place.storage, domain, rows);
    await mkdir(join(place.storage, domain, 'Ana'));
    await writeFile(join(place.storage, domain, 'Ana', '1.jpg'), 'a photo');
    await writeFile(`${datastore()}.ldsa`, '(1, 2)');
  });

  const folder = () => join(place.storage, domain);
  const datastore = () => join(folder(), ARCFACE_FILE);
  const addFace = async (name: string, seed: number) => {
    const person = await gallery.addPerson({ name, domain });
    const face = inSpace(ARCFACE, randomVector(512, seeded(seed).normal));
    await gallery.addEmbedding({ personId: person.id, imagePath: `${domain}/${name}/1.jpg`, embedding: face });
  };
  const cutover = (watchMinutes = 0) => recognition.cutover({ domain, author: AUTHOR, force: true, watchMinutes });
  const archive = (more: Partial<ArchiveRequest> = {}) =>
    recognition.archive({ domain, author: AUTHOR, minDays: 0, ...more });
  const left = async () => (await readdir(join(place.storage, domain))).toSorted();

  it('is refused before a cutover, while it is watched, and before it is old enough', async () => {
    await expect(archive()).rejects.toMatchObject({ code: 'archive-not-cut-over' });
    await cutover(15);
    await expect(archive()).rejects.toMatchObject({
      code: 'archive-too-early',
      message: expect.stringContaining('still watched'),
    });
    await recognition.rollback(domain, AUTHOR);
    await cutover();
    await expect(archive({ minDays: 14 })).rejects.toMatchObject({ code: 'archive-too-early' });
    expect(await left()).toEqual(['Ana', ARCFACE_FILE, `${ARCFACE_FILE}.ldsa`]);
  });

  it('takes datastore and signature, not the photos, and gives them back', async () => {
    await cutover();
    const before = await hashFile(datastore());
    expect(await archive({ dryRun: true })).toMatchObject({ removed: false, bytes: null });
    expect(await left()).toHaveLength(3);

    const report = await archive();
    expect(report.archive).toBe(join(place.storage, `pkl_archive_${domain}_${DAY}.tar.gz`));
    expect(report.files.map(({ name }) => name)).toEqual([ARCFACE_FILE, `${ARCFACE_FILE}.ldsa`]);
    expect(await left()).toEqual(['Ana']);
    expect(await readFile(join(place.storage, domain, 'Ana', '1.jpg'), 'utf8')).toBe('a photo');
    expect((await recognition.search(vectorOfRow(rows[0]), { domain })).mode).toBe('pgvector');
    await expect(recognition.rollback(domain, AUTHOR)).rejects.toMatchObject({ code: 'rollback-no-datastore' });

    await writeFile(datastore(), 'another');
    await expect(recognition.restoreArchive(report.archive, AUTHOR)).rejects.toMatchObject({
      code: 'archive-conflict',
    });
    await rm(datastore());
    expect(await recognition.restoreArchive(report.archive, AUTHOR)).toMatchObject({ domain, unchanged: 0 });
    expect(await hashFile(datastore())).toBe(before);
    expect(await recognition.restoreArchive(report.archive, AUTHOR)).toMatchObject({ unchanged: 2 });
    expect(await recognition.rollback(domain, AUTHOR)).toMatchObject({ mode: 'dual', complete: true });
    expect((await recognition.search(vectorOfRow(rows[0]), { domain })).candidates[0]?.imagePath).toBe(
      rows[0]!.identity,
    );
  });

  it('goes on where a kill left it: the archive made, a file removed', async () => {
    await cutover();
    const content = await readFile(datastore());
    const first = await archive();
    await writeFile(datastore(), content);
    const second = await archive();
    expect(second.archive).toBe(first.archive);
    expect(await left()).toEqual(['Ana']);
    // And when all is done already, it says so again.
    expect((await archive()).archive).toBe(first.archive);
  });

  it('never overwrites an archive of other content', async () => {
    await cutover();
    const first = await archive();
    const other = makeRows(domain, { rows: 5, persons: 2, seed: 99 });
    await migratedDomain(database.location, place.storage, domain, other);
    expect((await archive()).archive).toBe(first.archive.replace('.tar.gz', '_2.tar.gz'));
    expect((await checkArchive(first.archive)).files.size).toBe(2);
  });

  it('removes nothing when the disk is full', async () => {
    await cutover();
    const disk = join(place.folder, `small-${domain}`);
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32k', 'tmpfs', disk], { stdio: 'pipe' });
    } catch {
      console.log('NOT RUN: a full disk (mounting a small one needs root)');
      return;
    }
    try {
      await expect(archive({ out: disk })).rejects.toMatchObject({
        code: 'archive-not-written',
        message: expect.stringContaining('ENOSPC'),
      });
      expect(await readdir(disk)).toEqual([]);
      expect(await left()).toEqual(['Ana', ARCFACE_FILE, `${ARCFACE_FILE}.ldsa`]);
    } finally {
      execFileSync('umount', [disk]);
    }
    expect(await archive()).toMatchObject({ removed: true });
  });

  // On the embedded database the commands would go through this process, which owns it.
  if (backend.kind === 'postgres')
    // Later and later, until a command gets to its end: the whole of it is covered on a machine of any speed.
    describe('killed', () => {
      /** Runs a command of the command line in the domain's surroundings and kills it after a while; true when it was still running. */
      async function killedAfter(milliseconds: number, ...args: string[]): Promise<boolean> {
        const env = { VECTOR_DB_URL: database.url!, KITH_STORAGE: place.storage, KITH_DATA: place.data };
        const child = startKith(args, { env });
        const ended = once(child, 'close');
        const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
        await ended;
        clearTimeout(timer);
        return child.signalCode === 'SIGKILL';
      }
      const standing = async () => {
        const { rows: found } = await gallery.database.query<{ mode: string; cutovers: string; audits: string }>({
          text: `select (select mode from kith_domains where name = $1) as mode,
                 (select count(*)::text from kith_cutovers where domain = $1 and state <> 'rolled-back') as cutovers,
                 (select count(*)::text from kith_audit where domain = $1) as audits`,
          values: [domain],
        });
        return found[0]!;
      };

      it('in the middle of a cutover: the old mode without a record, or the new one with it', async () => {
        let killed = 0;
        for (let after = 100, ended = false; !ended; after *= 1.2) {
          ended = !(await killedAfter(after, 'cutover', domain, '--force', '--reason', 'killed', '--watch', '0'));
          if (!ended) killed++;
          const { mode, cutovers, audits } = await standing();
          expect([mode, cutovers, audits]).toEqual(mode === 'pgvector' ? ['pgvector', '1', '1'] : [null, '0', '0']);
        }
        expect(killed).toBeGreaterThan(0);
        // The lock of a killed command is free.
        if ((await standing()).mode === null) expect(await cutover()).toMatchObject({ mode: 'pgvector' });
      });

      it('in the middle of a rollback: the old mode with its cutover, or the datastore, whole, and nothing added is lost', async () => {
        const rowsThere = async () => (await (await openDatastore(datastore())).survey()).rows;
        let killed = 0;
        let faces = rows.length;
        let least = faces;
        for (let after = 100, ended = false; !ended; after *= 1.2) {
          if ((await standing()).mode !== 'pgvector') await cutover();
          await addFace(`Later ${++faces}`, faces);
          const before = await standing();
          ended = !(await killedAfter(after, 'rollback', domain, '--reason', 'killed'));
          if (!ended) killed++;
          const { mode, cutovers, audits } = await standing();
          const written = Number(audits) - Number(before.audits);
          expect([mode, cutovers, written]).toEqual(mode === 'dual' ? ['dual', '0', 1] : ['pgvector', '1', 0]);
          // The old datastore or the new one, and never fewer rows than before.
          const there = await rowsThere();
          expect([least, faces]).toContain(there);
          least = there;
          if (mode === 'dual' && there < faces) {
            await recognition.modes.list();
            expect(await recognition.rollback(domain, AUTHOR)).toMatchObject({ writtenThrough: faces - there });
            least = await rowsThere();
          }
        }
        expect(killed).toBeGreaterThan(0);
        expect(await rowsThere()).toBe(faces);
        expect((await standing()).mode).toBe('dual');
      });

      it('in the middle of a restore: every file is whole or not there, and the next run ends it', async () => {
        await cutover();
        const signature = `${ARCFACE_FILE}.ldsa`;
        const before = new Map<string, string>();
        for (const name of [ARCFACE_FILE, signature]) before.set(name, await hashFile(join(folder(), name)));
        const { archive: file } = await archive();
        let killed = 0;
        for (let after = 100, ended = false; !ended; after *= 1.2) {
          // Every run has all of it to do.
          for (const name of before.keys()) await rm(join(folder(), name), { force: true });
          const audits = Number((await standing()).audits);
          ended = !(await killedAfter(after, 'archive', 'restore', file));
          if (!ended) killed++;
          const there = (await left()).filter((name) => before.has(name));
          for (const name of there) expect(await hashFile(join(folder(), name))).toBe(before.get(name));
          // It is written down when it is done.
          if (Number((await standing()).audits) > audits) expect(there).toHaveLength(2);
        }
        expect(killed).toBeGreaterThan(0);
        expect(await recognition.restoreArchive(file, AUTHOR)).toMatchObject({ domain, unchanged: 2 });
        expect(await left()).toEqual(['Ana', ARCFACE_FILE, signature]);
        expect(await standing()).toMatchObject({ mode: 'pgvector', cutovers: '1' });
      });

      it('in the middle of an archive: every datastore is in its folder or in a whole archive', async () => {
        await cutover();
        const before = new Map([[ARCFACE_FILE, await hashFile(datastore())]]);
        let killed = 0;
        for (let after = 100, ended = false; !ended; after *= 1.2) {
          ended = !(await killedAfter(after, 'archive', domain, '--min-days', '0'));
          if (!ended) killed++;
          const names = (await readdir(place.storage)).filter((name) => name.startsWith(`pkl_archive_${domain}_`));
          for (const [name, sha256] of before) {
            const there = (await left()).includes(name);
            if (there) expect(await hashFile(datastore())).toBe(sha256);
            else expect((await checkArchive(join(place.storage, names[0]!))).files.get(name)).toBe(sha256);
          }
        }
        expect(killed).toBeGreaterThan(0);
        const done = await archive();
        expect(await left()).toEqual(['Ana']);
        expect((await checkArchive(done.archive)).files.get(ARCFACE_FILE)).toBe(before.get(ARCFACE_FILE));
        expect(
          (await readdir(place.storage)).filter((name) => name.includes('.partial') || name.includes('.staging')),
        ).toEqual([]);
      });
    });
});
