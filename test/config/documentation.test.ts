import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { configurationTable } from '#kith/config/documentation.js';

it('docs/configuration.md holds the table of the schema as it is now', () => {
  const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  expect(page).toContain(`<!-- generated -->\n${configurationTable()}\n<!-- end -->`);
});
