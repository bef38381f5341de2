import { spawnSync } from 'node:child_process';

/** The first Python that can import the modules, or null. */
export function findPython(modules: readonly string[], asked?: string): string | null {
  const names = asked === undefined ? ['python3', 'python'] : [asked];
  const program = modules.map((module) => `import ${module}`).join('\n');
  return names.find((name) => spawnSync(name, ['-c', program]).status === 0) ?? null;
}

/** Runs a Python program that prints one JSON document. */
export function runPython(python: string, program: string, args: readonly string[]): unknown {
  const { status, stdout, stderr } = spawnSync(python, ['-c', program, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`Python ended with ${status}: ${stderr.trim()}`);
  return JSON.parse(stdout);
}
