import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FAULTS, type FaultCode, KithError } from '#kith/errors.js';

const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');
const entries = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((entry) => {
      const [code = '', ...text] = entry.split('\n');
      return [code.trim(), text.join('\n')];
    }),
);

describe('the catalogue of faults', () => {
  it('has an entry in docs/errors.md for every code, and no entry without a code', () => {
    expect([...entries.keys()].sort()).toEqual(Object.keys(FAULTS).sort());
  });

  it.each([...entries])('says cause and mend of %s', (_code, text) => {
    expect(text).toMatch(/^\*\*Cause\*\* – .{10,}/m);
    expect(text).toMatch(/^\*\*Mend\*\* – .{10,}/m);
  });

  it.each(Object.entries(FAULTS))('words %s as the house does: lower case, no full stop', (code, fault) => {
    expect(code).toMatch(/^[a-z]+(-[a-z0-9]+)*$/);
    expect(fault.message).toMatch(/^[^A-Z].*[^.\n]$|^[A-Z]{2,}/);
    expect([1, 2]).toContain(fault.exit);
    expect(fault.status).toBeGreaterThanOrEqual(400);
    expect(fault.status).toBeLessThan(600);
  });

  it('fills the template and keeps the cause out of what a log prints', () => {
    const secret = new Error('password hunter2');
    const error = new KithError('embedding-dimension', { given: 3, expected: 512, space: 's' }, { cause: secret });
    expect(error.message).toBe('an embedding of 3 numbers was given where the space s has 512');
    expect(JSON.stringify(error)).not.toContain('hunter2');
    expect(Object.keys(error)).not.toContain('cause');
    const code: FaultCode = error.code;
    expect(code).toBe('embedding-dimension');
  });
});
