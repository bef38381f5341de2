import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { type WritableRow, writeDatastore } from '#kith/datastore/write.js';
import { Folder } from './pickle-bytes.js';

const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());

const READ = `
  const { openDatastore } = await import(process.argv[1]);
  const datastore = await openDatastore(process.argv[2]);
  let rows = 0;
  for await (const batch of datastore.rows()) rows += batch.length;
  console.log(JSON.stringify({ rows, peakMb: process.resourceUsage().maxRSS / 1024 }));`;

it('a datastore three times as large as the bound is read within it', async () => {
  const embedding = Float32Array.from({ length: 512 }, (_, i) => Math.sin(i));
  const box = { x: 1, y: 2, width: 3, height: 4 };
  const row = (i: number): WritableRow => ({ identity: `demo/P${i % 999}/${i}.jpg`, hash: `${i}`, embedding, box });
  function* batches(): Generator<WritableRow[]> {
    for (let from = 0; from < 100_000; from += 1000) yield Array.from({ length: 1000 }, (_, i) => row(from + i));
  }
  const path = join(folder.path, 'large.pkl');
  expect((await writeDatastore(path, batches())).bytes).toBeGreaterThan(450e6);
  const reader = fileURLToPath(import.meta.resolve('#kith/datastore/datastore.js'));
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', READ, reader, path], {
    encoding: 'utf8',
  });
  const { rows, peakMb } = JSON.parse(printed) as { rows: number; peakMb: number };
  expect(rows).toBe(100_000);
  expect(peakMb).toBeLessThan(150);
}, 120_000);
