import { expect, it } from 'vitest';
import { BulkProgress, readBulkProgress } from '#kith/ops/bulk-progress.js';
import { eachBackend } from '../support/database.js';

eachBackend('progress of bulk work', (backend) => {
  it('is seen by others while it goes on, and gone when it is over', async () => {
    const { database } = await backend.gallery();
    {
      await using migration = new BulkProgress(database, 'migration');
      await using enrolment = new BulkProgress(database, 'enrolment');
      migration.update('slovenia', 500, 900);
      enrolment.update('croatia', 3, null);
      await expect
        .poll(() => readBulkProgress(database), { timeout: 20_000 })
        .toEqual(
          expect.arrayContaining([
            { kind: 'migration', domain: 'slovenia', done: 500, total: 900 },
            { kind: 'enrolment', domain: 'croatia', done: 3, total: null },
          ]),
        );
      // Told at most once a second, however often it is asked to.
      for (let done = 501; done < 600; done++) migration.update('slovenia', done, 900);
      const [first] = (await readBulkProgress(database)).filter((run) => run.kind === 'migration');
      expect(first?.done).toBeLessThanOrEqual(501);
    }
    expect(await readBulkProgress(database)).toEqual([]);
  });

  it('never fails the work that it tells of, and a killed run is forgotten after an hour', async () => {
    const { database } = await backend.gallery();
    const broken = {
      query: async () => {
        throw new Error('away');
      },
    };
    {
      await using progress = new BulkProgress(broken, 'migration');
      progress.update('slovenia', 1, 2);
    }
    await database.query({
      text: `insert into kith_bulk_progress (kind, domain, done, total, updated_at)
        values ('migration', 'old', 1, 2, now() - interval '2 hours')`,
    });
    expect(await readBulkProgress(database)).toEqual([]);
  });
});
