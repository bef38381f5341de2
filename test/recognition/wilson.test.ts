import { expect, it } from 'vitest';
import { wilsonInterval } from '#kith/recognition/wilson.js';

// Wilson's formula evaluated in Python's doubles with z = 1.959963984540054; 0 of 10 is the textbook's 0.278.
it.each([
  [1000, 1000, 0.9961732, 1],
  [999, 1000, 0.9943574, 0.9998235],
  [0, 10, 0, 0.2775328],
  [5, 10, 0.2365931, 0.7634069],
])('the interval of %i of %i', (successes, trials, low, high) => {
  const interval = wilsonInterval(successes, trials);
  expect(interval[0]).toBeCloseTo(low, 6);
  expect(interval[1]).toBeCloseTo(high, 6);
});

it('knows nothing without trials', () => expect(wilsonInterval(0, 0)).toEqual([0, 1]));
