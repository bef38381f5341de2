import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openGallery } from '#kith/gallery/open-gallery.js';
import type { Recognition } from '#kith/recognition/recognition.js';
import { onServer, serverDatabase } from '../support/database.js';
import { ARCFACE_FILE, makeRows, writeDomain } from '../support/domain-folder.js';
import { migratedDomain, type Row, validator, vectorOfRow } from '../support/dual-domain.js';
import { ARCFACE, inSpace, nearby, randomVector, seeded } from '../support/embeddings.js';
import { makeWorkplace } from '../support/recognition.js';

const DOMAIN = 'slovenia';
const AUTHOR = { who: 'test', why: 'the whole way' };

/** Searches without a pause through two services until it is stopped; every answer must be the right person. */
class Traffic {
  readonly modes = new Map<string, number>();
  readonly wrong: string[] = [];
  readonly failed: unknown[] = [];
  answers = 0;
  slowest = 0;
  #stopped = false;
  readonly #lanes: Promise<void>[];

  constructor(services: readonly Recognition[], rows: readonly Row[]) {
    this.#lanes = services.map((service, lane) => this.#run(service, rows, seeded(lane + 1).normal));
  }

  async #run(service: Recognition, rows: readonly Row[], normal: () => number): Promise<void> {
    for (let nth = 0; !this.#stopped; nth++) {
      const row = rows[(nth * 7) % rows.length]!;
      const probe = nearby(vectorOfRow(row), 0.15, normal);
      const started = performance.now();
      try {
        const { mode, candidates } = await service.search(probe, { domain: DOMAIN, topK: 1 });
        const person = row.identity!.split('/').at(-2);
        if (candidates[0]?.person.name !== person)
          this.wrong.push(`${mode}: ${candidates[0]?.person.name} for ${person}`);
        this.modes.set(mode, (this.modes.get(mode) ?? 0) + 1);
      } catch (error) {
        this.failed.push(error);
      }
      this.answers++;
      this.slowest = Math.max(this.slowest, performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }
}

onServer('the whole way of a domain, under traffic', () => {
  it('pkl, dual, report, cutover, rollback by itself, second cutover, archive, restore: no failed and no wrong answer', async () => {
    const place = await makeWorkplace();
    const database = await serverDatabase();
    const options = { validate: validator(place.storage), shadow: { latencyBudget: 60_000 } };
    await using gallery = await openGallery({ location: database.location });
    const rows = makeRows(DOMAIN, { rows: 1040, persons: 130, seed: 3 });
    const datastore = await writeDomain(place.storage, DOMAIN, rows);
    const services = [place.open(database.location, options), place.open(database.location, options)];
    const [one] = services as [Recognition, Recognition];
    const mode = async () =>
      (await Promise.all(services.map((service) => service.modes.of(DOMAIN)))).map((m) => m.mode);
    const bothIn = (wanted: string) => expect.poll(mode, { timeout: 20_000 }).toEqual([wanted, wanted]);
    const traffic = new Traffic(services, rows);
    try {
      await bothIn('pkl');

      await migratedDomain(database.location, place.storage, DOMAIN, rows);
      await bothIn('dual');
      await expect(one.cutover({ domain: DOMAIN, author: AUTHOR })).rejects.toMatchObject({ code: 'cutover-refused' });

      const replay = await one.shadow.replay({ domain: DOMAIN });
      expect(replay).toMatchObject({ comparisons: 1040, agreed: 1040, differences: {} });
      const report = await one.shadow.report(DOMAIN);
      expect(report).toMatchObject({ verdict: 'ready', reasons: [], agreement: 1 });
      expect(report.comparisons).toBeGreaterThan(1040); // the traffic's own are among them

      expect(await one.cutover({ domain: DOMAIN, author: AUTHOR })).toMatchObject({ forced: false });
      await bothIn('pgvector');
      const added = randomVector(512, seeded(99).normal);
      const person = await gallery.addPerson({ name: 'Later', domain: DOMAIN });
      await gallery.addEmbedding({
        personId: person.id,
        imagePath: `${DOMAIN}/Later/1.jpg`,
        embedding: inSpace(ARCFACE, added),
      });

      // Somebody empties the domain's faces; they are put back when the services have gone back.
      await gallery.database.query({
        text: 'create table kept as select * from face_embeddings where domain = $1',
        values: [DOMAIN],
      });
      await gallery.database.query({ text: 'delete from face_embeddings where domain = $1', values: [DOMAIN] });
      await bothIn('dual');
      expect(place.events.some((event) => event.kind === 'rolled-back')).toBe(true);
      await gallery.database.query({ text: 'insert into face_embeddings select * from kept' });
      await gallery.database.query({ text: 'drop table kept' });
      await one.shadow.reset(DOMAIN, AUTHOR);
      // What was added while the gallery answered comes to the datastore with the next rollback or enrolment.
      await one.cutover({ domain: DOMAIN, author: AUTHOR, force: true, watchMinutes: 0 });
      expect(await one.rollback(DOMAIN, AUTHOR)).toMatchObject({ writtenThrough: 1, complete: true });
      const { candidates } = await one.search(added, { domain: DOMAIN });
      expect(candidates[0]?.person.name).toBe('Later');

      await one.shadow.replay({ domain: DOMAIN });
      expect((await one.shadow.report(DOMAIN)).differences).toEqual({});
      expect(await one.cutover({ domain: DOMAIN, author: AUTHOR, watchMinutes: 0 })).toMatchObject({ forced: false });
      await bothIn('pgvector');

      const archive = await one.archive({ domain: DOMAIN, author: AUTHOR, minDays: 0 });
      expect(archive).toMatchObject({ removed: true, files: [{ name: ARCFACE_FILE }] });
      expect(existsSync(datastore)).toBe(false);
      await one.restoreArchive(join(archive.archive), AUTHOR);
      expect(await validator(place.storage)(DOMAIN, gallery)).toEqual({ ok: 1041, missing: 0, extra: 0, different: 0 });
      await one.rollback(DOMAIN, AUTHOR);
      await bothIn('dual');
    } finally {
      await traffic.stop();
      for (const service of services) await service[Symbol.asyncDispose]();
      await gallery.close();
      await database.drop();
      await place.remove();
    }
    console.log(
      `${traffic.answers} answers, slowest ${traffic.slowest.toFixed(0)} ms, ${JSON.stringify(Object.fromEntries(traffic.modes))}`,
    );
    expect(traffic.failed).toEqual([]);
    expect(traffic.wrong).toEqual([]);
    expect([...traffic.modes.keys()].toSorted()).toEqual(['dual', 'pgvector', 'pkl']);
  }, 300_000);
});
