import { describe, expect, it } from 'vitest';
import { modeWithoutOwn } from '#kith/recognition/mode.js';

const mode = (enabled: boolean | null, dualMode: boolean | null, datastore: boolean, migrated: boolean) =>
  modeWithoutOwn({ enabled, dualMode }, { datastore, migrated }).mode;

describe('the mode of a domain without one of its own', () => {
  it('is pkl when the database is switched off, whatever the second variable says', () => {
    for (const dual of [true, false, null]) expect(mode(false, dual, true, true)).toBe('pkl');
  });
  it('is dual or pgvector as the variables say', () => {
    expect(mode(true, true, true, true)).toBe('dual');
    expect(mode(true, false, true, true)).toBe('pgvector');
  });
  it('cannot be dual without a datastore', () => expect(mode(true, true, false, true)).toBe('pgvector'));
  it('follows what the domain has when the variables are unset', () => {
    expect(mode(null, null, true, true)).toBe('dual');
    expect(mode(null, null, true, false)).toBe('pkl');
    expect(mode(null, null, false, true)).toBe('pgvector');
  });
});
