import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Ended, kith, ROOT } from '../support/kith.js';

// Real, because the program finds its package by its own place.
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kith-bench-')));
const program = join(folder, 'bin/kith.js');

beforeAll(() => {
  for (const part of ['bin', 'dist', 'package.json']) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (file: string, ...args: string[]): Promise<Ended> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [file, ...args], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });

/** Puts a script in the place of the checkout's. */
function plant(text: string): void {
  mkdirSync(join(folder, 'scripts'), { recursive: true });
  writeFileSync(join(folder, 'scripts/bench.mjs'), text);
}

it('says in an installed package, which is shipped without them, that benchmarks belong to a checkout', async () => {
  const { code, stderr, stdout } = await run(program, 'bench', 'engine-photo', '--json');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(JSON.parse(stderr).error).toMatchObject({
    code: 'bench-checkout',
    message: expect.stringContaining('checkout'),
  });
});

it('answers in a checkout what scripts/bench.mjs answers', async () => {
  const direct = await run(join(ROOT, 'scripts/bench.mjs'), 'no-such-run');
  expect(direct).toMatchObject({ code: 2, stderr: expect.stringContaining('engine-photo') });
  expect(await kith(['bench', 'no-such-run'])).toEqual(direct);
});

it.each([0, 1, 2])('gives every argument on in its order, and exit code %i back', async (code) => {
  plant(`console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = ${code};`);
  const given = ['search-speed', '--json', '--rows', '1000', 'more', '--domain=slovenia', '-x'];
  expect(await run(program, 'bench', ...given)).toEqual({ code, stdout: `${JSON.stringify(given)}\n`, stderr: '' });
});

it('stops the run when it is stopped', async () => {
  plant("setInterval(() => undefined, 1000); process.on('exit', () => console.log('end')); console.log('on');");
  const child = spawn(process.execPath, [program, 'bench', 'forever'], { stdio: ['ignore', 'pipe', 'pipe'] });
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  // The pipe closes when the run that inherited it is gone too.
  expect(await once(child, 'close')).toEqual([1, null]);
});
