import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PidFile, ProcessLock } from '#kith/ops/process-lock.js';
import { ROOT } from '../support/kith.js';

const folder = mkdtempSync(join(tmpdir(), 'kith-lock-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Another process that takes the lock, says so (or what was thrown), and waits. */
async function contender(file: string): Promise<{ child: ChildProcess; said: string }> {
  const program = `
    import { ProcessLock } from '${join(ROOT, 'dist/ops/process-lock.js')}';
    try { await ProcessLock.acquire(process.argv[1], 'the folder'); console.log('held'); setInterval(() => {}, 1000); }
    catch (error) { console.log(error.code); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: chunk.toString().trim() };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

describe('a lock on a data folder', () => {
  it('is refused while its holder lives, and taken over after kill -9', async () => {
    const file = join(folder, 'a', 'service.lock');
    const { child, said } = await contender(file);
    expect(said).toBe('held');
    await expect(ProcessLock.acquire(file, 'the folder')).rejects.toMatchObject({ code: 'instance-running' });
    await kill(child);
    expect(existsSync(file)).toBe(true);
    await using lock = await ProcessLock.acquire(file, 'the folder');
    expect(readFileSync(lock.file, 'utf8')).toContain(String(process.pid));
  });

  it('is gone when it is given back, with nothing left in the folder', async () => {
    const file = join(folder, 'b', 'service.lock');
    {
      await using _lock = await ProcessLock.acquire(file, 'the folder');
    }
    expect(readdirSync(join(folder, 'b'))).toEqual([]);
  });

  it('of a process number that another program has by now is taken over', async () => {
    const file = join(folder, 'service.lock');
    writeFileSync(file, '1 999999999999');
    await using lock = await ProcessLock.acquire(file, 'the folder');
    expect(lock.file).toBe(file);
  });

  it('goes to exactly one of many that find a dead one at once', async () => {
    const file = join(folder, 'c.lock');
    writeFileSync(file, '4194304 1');
    const all = await Promise.all(Array.from({ length: 6 }, () => contender(file)));
    expect(all.map((each) => each.said).sort()).toEqual(['held', ...Array(5).fill('instance-running')]);
    for (const { child, said } of all) if (said === 'held') await kill(child);
  });
});

describe('a PID file', () => {
  it('holds the number alone, and goes with its process', async () => {
    const file = join(folder, 'kith.pid');
    {
      await using pid = await PidFile.write(file);
      expect(readFileSync(pid.file, 'utf8')).toBe(`${process.pid}\n`);
    }
    expect(existsSync(file)).toBe(false);
  });

  it('that was left behind is written over; one of a living Kith is not', async () => {
    const file = join(folder, 'old.pid');
    writeFileSync(file, '4194304\n');
    {
      await using _pid = await PidFile.write(file);
    }
    const { child } = await contender(join(folder, 'kith-d.lock'));
    writeFileSync(file, `${child.pid}\n`);
    await expect(PidFile.write(file)).rejects.toMatchObject({ code: 'instance-running' });
    await kill(child);
  });
});
