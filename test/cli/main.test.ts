import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '#kith/cli/commands.js';
import { kith, startKith } from '../support/kith.js';

describe('kith', () => {
  it('without a command, or with --help, lists every command and exits 0', async () => {
    for (const args of [[], ['--help'], ['help']]) {
      const { code, stdout, stderr } = await kith(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const { name, summary } of COMMANDS) {
        expect(stdout).toContain(name);
        expect(stdout.replace(/\s+/g, ' ')).toContain(summary);
      }
    }
  });

  it.each(COMMANDS.map((entry) => entry.name))('%s has a --help', async (name) => {
    const { code, stdout, stderr } = await kith([name, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: kith ${name}`);
  });

  it('refuses an unknown command with exit code 2', async () => {
    const plain = await kith(['recognice', '--json']);
    expect(plain.code).toBe(2);
    expect(JSON.parse(plain.stderr)).toMatchObject({ error: { code: 'usage', hint: 'kith --help' } });
    expect(plain.stdout).toBe('');
  });

  it('refuses an unknown option in words, without a stack trace', async () => {
    const { code, stderr } = await kith(['--frobnicate']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/unknown option '--frobnicate'/);
    expect(stderr).not.toMatch(/\n {4}at /);
  });

  it('does not mind a reader that has enough', async () => {
    const child = startKith(['--help']);
    child.stdout?.destroy();
    expect(await once(child, 'close')).toEqual([0, null]);
  });
});
