import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { commandReference } from '#kith/cli/documentation.js';

it('docs/cli.md holds what --help says now', async () => {
  const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  expect(page).toContain(`<!-- generated -->\n${await commandReference()}\n<!-- end -->`);
});
