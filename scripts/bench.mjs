// Compiles bench/ and runs one of its files: `npm run bench -- engine-photo [--json]`. Without a name, `targets`: all that
// was promised, in a table.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const names = readdirSync(new URL('bench/', root))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3));
const given = process.argv.slice(2);
const [name, ...rest] = given[0] === undefined || given[0].startsWith('--') ? ['targets', ...given] : given;
if (!names.includes(name)) {
  console.error(`which run? one of: ${names.join(', ')}`);
  process.exit(2);
}
execFileSync(
  process.execPath,
  [new URL('node_modules/typescript/bin/tsc', root).pathname, '-p', new URL('bench/tsconfig.json', root).pathname],
  { stdio: 'inherit' },
);
process.argv = [process.argv[0], name, ...rest];
await import(new URL(`.bench/bench/${name}.js`, root).href);
