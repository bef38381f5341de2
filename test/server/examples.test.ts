import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { ROOT } from '../support/kith.js';

const run = promisify(execFile);

it('examples/library.mjs finds the face that it enrols', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kith-example-'));
  try {
    const { stdout } = await run(process.execPath, ['examples/library.mjs', join(folder, 'data')], { cwd: ROOT });
    expect(JSON.parse(stdout)).toMatchObject([
      { person: { name: 'Ana' }, imagePath: 'example/Ana/1.jpg', faceNumber: 1 },
    ]);
    expect(JSON.parse(stdout)[0].distance).toBeLessThan(1e-5);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 120_000);
