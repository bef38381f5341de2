// Builds dist/: the numbered SQL migrations are embedded in a generated module, then TypeScript compiles.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const file = (path) => new URL(path, root);

const migrations = readdirSync(file('sql'))
  .filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
  .sort()
  .map((name) => ({
    version: Number(name.slice(0, 4)),
    name: name.slice(5, -4),
    sql: readFileSync(file(`sql/${name}`), 'utf8'),
  }));
writeFileSync(
  file('src/gallery/migrations.generated.ts'),
  `// Made by scripts/build.mjs from sql/; do not edit.\nexport const MIGRATIONS: readonly { readonly version: number; readonly name: string; readonly sql: string }[] = ${JSON.stringify(migrations, null, 2)};\n`,
);
if (process.argv.includes('--clean')) rmSync(file('dist'), { recursive: true, force: true });
execFileSync(
  process.execPath,
  [new URL('node_modules/typescript/bin/tsc', root).pathname, '-p', new URL('tsconfig.json', root).pathname],
  {
    stdio: 'inherit',
  },
);
