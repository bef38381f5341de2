import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../../bin/kith.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** The variables of the tests' own run that must not reach a command under test. */
const cleanEnvironment = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VECTOR_DB_|KITH_|PG|VITEST)/.test(name)));

export function startKith(args: readonly string[], options: RunOptions = {}): ChildProcess {
  return spawn(process.execPath, [PROGRAM, ...args], {
    cwd: options.cwd ?? ROOT,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Runs the built command line to its end, as a user would, in an environment without anything of Kith's. */
export async function kith(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = startKith(args, options);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin?.end();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}
