import { describe, expect, it } from 'vitest';
import { verdict } from '#kith/recognition/verdict.js';

const at = (...distances: number[]) => distances.map((distance) => ({ distance }));

describe('verdict', () => {
  it('is unknown without a candidate', () => expect(verdict([], 0.02)).toBe('unknown'));
  it('is known with one candidate', () => expect(verdict(at(0.3), 0.02)).toBe('known'));
  it('is known when the second is further off than the margin', () =>
    expect(verdict(at(0.3, 0.33), 0.02)).toBe('known'));
  it('is ambiguous when the second is within the margin', () =>
    expect(verdict(at(0.3, 0.315), 0.02)).toBe('ambiguous'));
  it('counts an exact tie as ambiguous whatever the margin', () => expect(verdict(at(0.3, 0.3), 0)).toBe('ambiguous'));
});
