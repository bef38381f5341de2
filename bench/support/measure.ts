/** The value below which a share of the samples lies. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export const round = (value: number, digits = 3): number => Number(value.toFixed(digits));

/** The same order for the same turn, spread over all orders. */
function shuffled<T>(items: readonly T[], turn: number): T[] {
  const rest = [...items];
  let state = Math.imul(turn + 7919, 0x9e3779b1) >>> 0;
  return items.map(() => {
    state = (Math.imul(state ^ (state >>> 15), 0x85ebca6b) + 1) >>> 0;
    return rest.splice(state % rest.length, 1)[0]!;
  });
}

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
    // In another order every turn: what runs behind a scan of everything finds its caches emptied.
    for (const name of shuffled(names, turn)) {
      const start = performance.now();
      await ways[name](Math.abs(turn));
      // The first tenth warms caches and plans up.
      if (turn >= 0) samples[name].push(performance.now() - start);
    }
  return samples;
}
