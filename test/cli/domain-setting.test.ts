import { describe, expect, it } from 'vitest';
import { parseSetting } from '#kith/cli/commands/domain.js';

describe('a setting of a domain', () => {
  it.each([
    ['threshold=0.35', { threshold: 0.35 }],
    ['threshold=', { threshold: null }],
    ['margin=0', { margin: 0 }],
    ['ef-search=200', { efSearch: 200 }],
  ])('%s', (text, changes) => expect(parseSetting(text)).toEqual(changes));

  it.each([
    'threshold',
    'threshold=abc',
    'threshold=-1',
    'ef-search=1.5',
    'ef-search=0',
    'mode=pkl',
    '=1',
    'toString=1',
  ])('refuses %s, saying what it knows', (text) => {
    expect(() => parseSetting(text)).toThrow(/threshold=0…1000000/);
    expect(() => parseSetting(text)).toThrow(expect.objectContaining({ code: 'usage', exit: 2 }));
  });
});
