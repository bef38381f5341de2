// Writes the generated parts of docs/, between their two markers. Tests fail when they are stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { commandReference } from '../dist/cli/documentation.js';
import { configurationTable } from '../dist/config/documentation.js';

function fill(name, content) {
  const page = new URL(`../docs/${name}`, import.meta.url);
  const text = readFileSync(page, 'utf8');
  const [before] = text.split('<!-- generated -->');
  const after = text.split('<!-- end -->')[1];
  writeFileSync(page, `${before}<!-- generated -->\n${content}\n<!-- end -->${after}`);
}

fill('configuration.md', configurationTable());
fill('cli.md', await commandReference());
