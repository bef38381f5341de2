import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { KithError } from '../../errors.js';
import type { Terminal } from '../terminal.js';

const SCRIPT = fileURLToPath(new URL('../../../scripts/bench.mjs', import.meta.url));

/** Its flags, `--json` among them, are the run's own: they go through as they are. */
export function benchCommand(terminal: Terminal): Command {
  return new Command('bench')
    .description(
      'Benchmarks that print their numbers, in a checkout only: what npm run bench -- … runs there. ' +
        'Without a name every figure that was promised, in a table (20 minutes); a name that is none lists them.',
    )
    .argument('[run]', 'which one')
    .argument('[arguments...]', "the run's own")
    .allowUnknownOption()
    .action(async (_run: string | undefined, _given: readonly string[], _flags: unknown, { args }: Command) => {
      if (!existsSync(SCRIPT)) throw new KithError('bench-checkout', {});
      terminal.exitWith(await run(args, terminal.signal));
    });
}

async function run(args: readonly string[], signal: AbortSignal): Promise<0 | 1 | 2> {
  const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: 'inherit' });
  const stop = () => child.kill();
  signal.addEventListener('abort', stop);
  const [code] = (await once(child, 'exit')) as [number | null];
  signal.throwIfAborted();
  return code === 0 || code === 2 ? code : 1;
}
