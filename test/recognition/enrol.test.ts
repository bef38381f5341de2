import { copyFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EnrolRequest } from '#kith/recognition/enrol.js';
import { type Backend, eachBackend } from '../support/database.js';
import { makeWorkplace, portrait, samplePhoto, type Workplace } from '../support/recognition.js';

const DOMAIN = 'vzorec';

/** A folder of persons whose names and files are not all ASCII, with images of every sort. */
async function makePhotos(folder: string): Promise<void> {
  for (const person of ['Žiga Čeh', 'Ana', 'Empty']) await mkdir(join(folder, person), { recursive: true });
  await writeFile(join(folder, 'Žiga Čeh', 'portrét №1.jpg'), await portrait(1));
  await writeFile(join(folder, 'Ana', '1.jpg'), await portrait(2));
  await copyFile(samplePhoto(4), join(folder, 'Ana', 'group.jpg'));
  await writeFile(join(folder, 'Ana', 'broken.jpg'), 'not an image');
  await writeFile(join(folder, 'Ana', 'notes.txt'), 'passed over');
  const grey = { create: { width: 300, height: 200, channels: 3 as const, background: '#888' } };
  await sharp(grey)
    .png()
    .toFile(join(folder, 'Empty', 'wall.png'));
  await symlink('/nowhere', join(folder, 'Empty', 'dangling.jpg'));
}

eachBackend('enrolment', (backend: Backend) => {
  let place: Workplace;
  let photos: string;
  let recognition: ReturnType<Workplace['open']>;

  beforeAll(async () => {
    place = await makeWorkplace();
    photos = join(place.folder, 'photos');
    await makePhotos(photos);
    recognition = place.open((await backend.fresh()).location);
  });
  afterAll(async () => {
    await recognition[Symbol.asyncDispose]();
    await place.remove();
  });

  const enrol = (more: Partial<EnrolRequest> = {}) => recognition.enrol({ domain: DOMAIN, source: photos, ...more });
  const faces = async () => (await recognition.stats({ domain: DOMAIN })).domains[0];

  it('enrols a folder and names every image that is not simply a face', async () => {
    const told: number[] = [];
    const report = await enrol({ onProgress: ({ done }) => told.push(done) });
    expect(report).toMatchObject({
      domain: DOMAIN,
      images: 6,
      new: 3,
      replaced: 0,
      unchanged: 0,
      faces: 3,
      persons: 2,
    });
    expect(report.noFace).toEqual([{ person: 'Empty', image: `${DOMAIN}/Empty/wall.png` }]);
    expect(report.unreadable.map(({ image, code }) => [image, code])).toEqual([
      [`${DOMAIN}/Ana/broken.jpg`, 'photo-not-an-image'],
      [`${DOMAIN}/Empty/dangling.jpg`, 'file-unreadable'],
    ]);
    expect(report.severalFaces).toHaveLength(1);
    expect(report.severalFaces[0]).toMatchObject({ image: `${DOMAIN}/Ana/group.jpg`, enrolled: 1 });
    expect(told.at(-1)).toBe(6);
    expect(await faces()).toMatchObject({ persons: 2, faces: 3, mode: 'pgvector' });
  });

  it('recognises the enrolled faces, also on a changed copy', async () => {
    const copy = await sharp(await portrait(1))
      .resize(200)
      .rotate(5)
      .jpeg({ quality: 60 })
      .toBuffer();
    const answer = await recognition.identify(copy, { domain: DOMAIN });
    expect(answer).toMatchObject({ domain: DOMAIN, mode: 'pgvector' });
    const [best] = answer.faces;
    expect(best?.verdict).toBe('known');
    expect(best?.candidates[0]?.person.name).toBe('Žiga Čeh');
    expect(best?.candidates[0]?.imagePath).toBe(`${DOMAIN}/Žiga Čeh/portrét №1.jpg`);
    expect(answer.timings.total).toBeGreaterThan(0);
  });

  it('passes over what it has dealt with, and reports it again', async () => {
    const report = await enrol();
    expect(report).toMatchObject({ images: 6, new: 0, replaced: 0, unchanged: 3, faces: 0, persons: 2 });
    expect(report.noFace).toHaveLength(1);
    expect(report.severalFaces).toHaveLength(1);
  });

  it('replaces the faces of an image whose content changed', async () => {
    await writeFile(join(photos, 'Ana', '1.jpg'), await portrait(3));
    const report = await enrol();
    expect(report).toMatchObject({ new: 0, replaced: 1, unchanged: 2, faces: 1 });
    expect(await faces()).toMatchObject({ persons: 2, faces: 3 });
    const { faces: found } = await recognition.identify(await portrait(2), { domain: DOMAIN });
    const hits = found.flatMap(({ candidates }) => candidates.map(({ imagePath }) => imagePath));
    expect(hits).not.toContain(`${DOMAIN}/Ana/1.jpg`);
  });

  it('enrols every face when asked, under one path', async () => {
    const report = await enrol({ faces: 'all' });
    expect(report.severalFaces[0]?.enrolled).toBe(report.severalFaces[0]?.faces);
    expect((await faces())?.faces).toBe(2 + (report.severalFaces[0]?.faces ?? 0));
  });

  it('reports what is gone, keeps it, and deletes it only when asked', async () => {
    await rename(join(photos, 'Ana', 'group.jpg'), join(place.folder, 'group.jpg'));
    const kept = await enrol();
    expect(kept.removed).toEqual([{ person: 'Ana', image: `${DOMAIN}/Ana/group.jpg` }]);
    expect(kept.pruned).toBe(0);
    expect((await faces())?.faces).toBeGreaterThan(2);
    expect(await enrol({ prune: true })).toMatchObject({ pruned: 1 });
    expect(await faces()).toMatchObject({ faces: 2 });
    expect((await enrol()).removed).toEqual([]);
  });

  it('deletes nothing when the folder is empty', async () => {
    await rename(photos, `${photos}-away`);
    await mkdir(photos);
    await expect(enrol({ prune: true })).rejects.toMatchObject({ code: 'enrol-prune-all' });
    await rm(photos, { recursive: true });
    await rename(`${photos}-away`, photos);
    expect(await faces()).toMatchObject({ faces: 2 });
  });

  it('leaves poor faces out when asked, and says what was measured', async () => {
    const small = await sharp(await portrait(1))
      .resize(200)
      .rotate(5)
      .jpeg()
      .toBuffer();
    await writeFile(join(photos, 'Ana', 'small.jpg'), small);
    const quality = { minSize: 180, minSharpness: 50 };
    const reported = await enrol({ quality });
    const note = reported.poor.find(({ image }) => image.endsWith('small.jpg'));
    expect(note).toMatchObject({ person: 'Ana', enrolled: true });
    expect(note?.reasons).toContain('too-small');
    expect(note?.size).toBeLessThan(180);
    const before = (await faces())?.faces ?? 0;
    const left = await enrol({ quality, skipPoor: true });
    expect(left.poor.find(({ image }) => image.endsWith('small.jpg'))?.enrolled).toBe(false);
    expect((await faces())?.faces).toBeLessThan(before);
  });

  it('takes photos from memory', async () => {
    const source = [{ person: 'Six', path: 'memory/Six/6.jpg', bytes: () => portrait(6) }];
    expect(await recognition.enrol({ domain: 'memory', source })).toMatchObject({ images: 1, new: 1, persons: 1 });
  });

  it('refuses a folder that is not there', async () => {
    await expect(enrol({ source: join(place.folder, 'none') })).rejects.toMatchObject({ code: 'enrol-folder' });
  });
});
