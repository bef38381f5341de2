import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openDatastore } from '#kith/datastore/datastore.js';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import type { Recognition } from '#kith/recognition/recognition.js';
import { type Backend, eachBackend, type TestDatabase } from '../support/database.js';
import { ARCFACE_FILE, makeRows } from '../support/domain-folder.js';
import { migratedDomain, type Row, validator, vectorOfRow } from '../support/dual-domain.js';
import { ARCFACE, inSpace, randomVector, seeded } from '../support/embeddings.js';
import { makeWorkplace, type Workplace } from '../support/recognition.js';

const AUTHOR = { who: 'test', why: 'a reason' };

eachBackend('cutover', (backend: Backend) => {
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
    recognition = open();
  });
  afterAll(async () => {
    await recognition[Symbol.asyncDispose]();
    await gallery.close();
    await place.remove();
  });
  beforeEach(async () => {
    domain = `c${++count}`;
    rows = makeRows(domain, { rows: 30, persons: 10, seed: count });
    await migratedDomain(database.location, place.storage, domain, rows);
  });

  const open = () => place.open(database.location, { validate: validator(place.storage) });
  const force = (watchMinutes = 15) => recognition.cutover({ domain, author: AUTHOR, force: true, watchMinutes });
  const mode = async () => (await recognition.modes.of(domain)).mode;
  const audit = async () =>
    (
      await gallery.database.query<{ action: string; who: string; why: string | null }>({
        text: 'select action, who, why from kith_audit where domain = $1 order by id',
        values: [domain],
      })
    ).rows;
  const countRows = async () => {
    const survey = await (await openDatastore(join(place.storage, domain, ARCFACE_FILE))).survey();
    return survey.rows;
  };
  const addFace = async (name: string, seed: number) => {
    const values = randomVector(512, seeded(seed).normal);
    const person = await gallery.addPerson({ name, domain });
    await gallery.addEmbedding({
      personId: person.id,
      imagePath: `${domain}/${name}/1.jpg`,
      embedding: inSpace(ARCFACE, values),
    });
    return values;
  };

  it('is refused with the reasons, by whichever path', async () => {
    await expect(recognition.cutover({ domain, author: AUTHOR })).rejects.toMatchObject({
      code: 'cutover-refused',
      message: expect.stringContaining('0 comparisons where at least 1000 are needed'),
    });
    await expect(recognition.modes.set(domain, 'pgvector', AUTHOR)).rejects.toMatchObject({ code: 'cutover-refused' });
    expect(await mode()).toBe('dual');
  });

  it('is forced only with a reason, which is recorded with what spoke against it', async () => {
    await expect(recognition.cutover({ domain, author: { who: 'test' }, force: true })).rejects.toMatchObject({
      code: 'cutover-reason',
    });
    const report = await force();
    expect(report).toMatchObject({ mode: 'pgvector', forced: true });
    expect(await mode()).toBe('pgvector');
    const [written] = await audit();
    expect(written).toMatchObject({ action: 'domain-set', who: 'test' });
    expect(written?.why).toMatch(/a reason.*forced against: 0 comparisons/s);
    await expect(force()).rejects.toMatchObject({ code: 'cutover-standing' });
    expect((await recognition.search(vectorOfRow(rows[0]), { domain })).mode).toBe('pgvector');
  });

  it('is the answer to a replay in which nothing differs', async () => {
    rows = makeRows(`${domain}r`, { rows: 1040, persons: 130, seed: 77 });
    domain = `${domain}r`;
    await migratedDomain(database.location, place.storage, domain, rows);
    await using patient = place.open(database.location, {
      validate: validator(place.storage),
      shadow: { latencyBudget: 60_000 },
    });
    const told: number[] = [];
    const replay = await patient.shadow.replay({ domain, onProgress: ({ done }) => told.push(done) });
    expect(replay).toMatchObject({ comparisons: 1040, agreed: 1040, differences: {}, skipped: 0 });
    expect(told.at(-1)).toBe(1040);
    expect(await patient.shadow.report(domain)).toMatchObject({ verdict: 'ready', reasons: [], agreement: 1 });
    expect(await patient.cutover({ domain, author: { who: 'test' } })).toMatchObject({ forced: false, reasons: [] });
  });

  it('is taken back at once, and what was enrolled since is in the datastore', async () => {
    await force();
    const values = await addFace('Later', 5);
    const back = await recognition.rollback(domain, AUTHOR);
    expect(back).toEqual({ domain, mode: 'dual', writtenThrough: 1, staleSignature: null, complete: true });
    expect(await mode()).toBe('dual');
    expect(await countRows()).toBe(31);
    expect(await validator(place.storage)(domain, gallery)).toEqual({ ok: 31, missing: 0, extra: 0, different: 0 });
    await using fresh = open();
    const { candidates } = await fresh.search(values, { domain });
    expect(candidates[0]?.person.name).toBe('Later');
    await expect(recognition.rollback(domain, AUTHOR)).rejects.toMatchObject({ code: 'rollback-nothing' });
  });

  it('is finished by the next call when it was killed before the datastore had everything', async () => {
    await force();
    const added = await addFace('Later', 5);
    // What a rollback leaves that is killed after its transaction.
    await gallery.database.query({ text: `update kith_domains set mode = 'dual' where name = $1`, values: [domain] });
    await gallery.database.query({
      text: `update kith_cutovers set state = 'rolled-back' where domain = $1`,
      values: [domain],
    });
    await expect.poll(mode).toBe('dual');
    expect(await recognition.rollback(domain, AUTHOR)).toMatchObject({
      mode: 'dual',
      writtenThrough: 1,
      complete: true,
    });
    expect(await countRows()).toBe(31);
    expect((await recognition.search(added, { domain })).candidates[0]?.person.name).toBe('Later');
    await expect(recognition.rollback(domain, AUTHOR)).rejects.toMatchObject({ code: 'rollback-nothing' });
  });

  it('says that the signature beside the datastore no longer fits once faces were written to it, and leaves it', async () => {
    const signature = `${join(place.storage, domain, ARCFACE_FILE)}.ldsa`;
    await writeFile(signature, '(1, 2)');
    await force();
    expect(await recognition.rollback(domain, AUTHOR)).toMatchObject({ writtenThrough: 0, staleSignature: null });
    await force();
    await addFace('Later', 5);
    expect(await recognition.rollback(domain, AUTHOR)).toMatchObject({ writtenThrough: 1, staleSignature: signature });
    expect(place.events.filter(({ kind }) => kind === 'signature-stale')).toEqual([
      { kind: 'signature-stale', domain, signature },
    ]);
    expect(await readFile(signature, 'utf8')).toBe('(1, 2)');
  });

  it('writes a rollback down once, also when nothing was added', async () => {
    await force();
    expect(await recognition.rollback(domain, AUTHOR)).toMatchObject({ writtenThrough: 0, complete: true });
    expect((await audit()).map(({ action }) => action)).toEqual(['domain-set', 'domain-set']);
    expect((await readdir(place.data)).filter((name) => name.startsWith('pending-rollback'))).toEqual([]);
  });

  it('rolls back by itself when the gallery loses its faces, and no answer is wrong', async () => {
    await force();
    await gallery.database.query({ text: 'delete from face_embeddings where domain = $1', values: [domain] });
    for (let round = 0; round < 30; round++) {
      const { candidates } = await recognition.search(vectorOfRow(rows[round]), { domain });
      expect(candidates[0]?.imagePath).toBe(rows[round]!.identity);
    }
    expect(await mode()).toBe('dual');
    const said = place.events.filter((event) => event.kind === 'rolled-back' && event.domain === domain);
    expect(said).toHaveLength(1);
    await expect
      .poll(async () => (await audit()).at(-1)?.why)
      .toMatch(/found nobody where the datastore finds somebody/);
    // The gallery's loss is not carried into the datastore.
    expect(await countRows()).toBe(30);
  });

  it('rolls back by itself when searches fail, and no caller fails', async () => {
    await force();
    await gallery.database.query({ text: 'alter table face_embeddings rename to elsewhere' });
    try {
      for (let round = 0; round < 25; round++) {
        const { candidates } = await recognition.search(vectorOfRow(rows[round]), { domain });
        expect(candidates[0]?.imagePath).toBe(rows[round]!.identity);
      }
      expect(await mode()).toBe('dual');
    } finally {
      await gallery.database.query({ text: 'alter table elsewhere rename to face_embeddings' });
    }
    await expect.poll(async () => (await audit()).at(-1)?.why).toMatch(/searches failed/);
  });

  it('holds in every instance, and after a start without the database', async () => {
    await force();
    await using other = open();
    expect((await other.modes.of(domain)).mode).toBe('pgvector');
    await recognition.rollback(domain, AUTHOR);
    await expect.poll(async () => (await other.modes.of(domain)).mode).toBe('dual');
    await recognition.modes.set(domain, 'pkl', AUTHOR);
    await using without = place.open(database.location, { gallery: () => Promise.reject(new Error('down')) });
    expect(await without.modes.of(domain)).toMatchObject({ mode: 'pkl', source: 'remembered' });
    expect((await without.search(vectorOfRow(rows[1]), { domain })).candidates[0]?.imagePath).toBe(rows[1]!.identity);
  });

  it('lets one of two through', async () => {
    await using other = open();
    const both = await Promise.allSettled([force(), other.cutover({ domain, author: AUTHOR, force: true })]);
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = both.find((one) => one.status === 'rejected');
    expect(refused?.reason).toMatchObject({ code: expect.stringMatching(/^(domain-busy|cutover-standing)$/) });
    expect(await audit()).toHaveLength(1);
  });
});
