// Writes NOTICE: the licence of every package that Kith ships with. With --check it fails when NOTICE is out of date.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const lock = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8'));

const shipped = Object.entries(lock.packages)
  .filter(([path, entry]) => path !== '' && !entry.dev)
  .map(([path, entry]) => ({
    name: path.replace(/^.*node_modules\//, ''),
    version: entry.version,
    licence: licenceOf(path, entry),
  }))
  .sort((a, b) => a.name.localeCompare(b.name, 'en') || a.version.localeCompare(b.version, 'en'));

function licenceOf(path, entry) {
  if (entry.license && !entry.license.startsWith('SEE')) return entry.license;
  const folder = new URL(`${path}/`, root);
  const text = existsSync(folder) ? readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name)) : undefined;
  return text === undefined ? 'unstated' : `see its ${text}`;
}

const lines = shipped.map(({ name, version, licence }) => `- ${name} ${version}: ${licence}`);
const notice = `Kith is under the MIT licence (LICENSE). It is used together with these npm packages, each under its own licence.
The weights of the bundled face engine lie in @vladmandic/face-api (MIT). Optional packages are for one platform each.
Made by scripts/notice.mjs from package-lock.json.

${[...new Set(lines)].join('\n')}
`;

const file = new URL('NOTICE', root);
if (!process.argv.includes('--check')) writeFileSync(file, notice);
else if (!existsSync(file) || readFileSync(file, 'utf8') !== notice) {
  console.error('NOTICE is out of date: run `node scripts/notice.mjs`');
  process.exit(1);
}
