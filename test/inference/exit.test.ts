import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const fixture = fileURLToPath(new URL('./exit-fixture.mjs', import.meta.url));

// onnxruntime aborts the process (signal SIGABRT) when its thread is stopped inside a run.
it.each([100, 300, 600])(
  'leaves with the code that was asked for, %i ms into photos that are being computed',
  async (milliseconds) => {
    const child = spawn(process.execPath, [fixture, String(milliseconds), '3'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (text: Buffer) => {
      errors += text.toString();
    });
    const [code, signal] = await once(child, 'exit');
    expect({ code, signal, errors }).toEqual({ code: 3, signal: null, errors: '' });
  },
);
