import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { migrate } from '#kith/migration/migrate.js';
import type { MigrationReport } from '#kith/migration/report.js';
import { makeRows, temporaryStorage, writeDomain } from '../support/domain-folder.js';

// 1920 × 1280.
const PHOTO = new URL('../../node_modules/@vladmandic/face-api/demo/sample1.jpg', import.meta.url);

it('takes a box at the corner for the whole photo unless the photo says otherwise', async () => {
  const storage = temporaryStorage();
  const rows = makeRows('slovenia', { rows: 5, persons: 1 });
  const box = { x: 0, y: 0, width: 639, height: 479 };
  rows[0]!.box = box; // no photo at hand
  rows[1]!.box = box; // a face in the corner of a larger photo
  rows[2]!.box = { ...box, width: 1919, height: 1279 };
  rows[3]!.box = { ...box, x: 1, width: 1918, height: 1279 };
  rows[4]!.box = { x: 0, y: 0, width: 0, height: 0 };
  await writeDomain(storage, 'slovenia', rows);
  const folder = join(storage, 'slovenia', 'Oseba Št. 0');
  mkdirSync(folder);
  for (const index of [1, 2, 3]) copyFileSync(PHOTO, join(folder, `${index}.jpg`));
  const [report] = await migrate(null, { storage, domains: ['slovenia'], dryRun: true });
  expect(report as MigrationReport).toMatchObject({ migrated: 5, wholePhoto: 2, validated: null });
});
