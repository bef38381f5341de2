// Writes the generated parts of docs/: the table of variables, between its two markers. A test fails when it is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { configurationTable } from '../dist/config/documentation.js';

const page = new URL('../docs/configuration.md', import.meta.url);
const text = readFileSync(page, 'utf8');
const [before] = text.split('<!-- table -->');
const after = text.split('<!-- end -->')[1];
writeFileSync(page, `${before}<!-- table -->\n${configurationTable()}\n<!-- end -->${after}`);
