/** The value below which a share of the samples lies. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export const round = (value: number, digits = 3): number => Number(value.toFixed(digits));

/**
 * Milliseconds of each of several ways to do a thing, in turns, so that whatever else the machine does meets all of
 * them alike: take the ratios.
 */
export async function inTurns<Name extends string>(
  rounds: number,
  ways: Readonly<Record<Name, (round: number) => Promise<unknown>>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(ways) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let turn = -Math.ceil(rounds / 10); turn < rounds; turn++)
    for (const name of names) {
      const start = performance.now();
      await ways[name](Math.abs(turn));
      // The first tenth warms caches and plans up.
      if (turn >= 0) samples[name].push(performance.now() - start);
    }
  return samples;
}
