/** 97.5th percentile of the normal distribution. */
const Z = 1.959963984540054;

/**
 * The 95 % Wilson score interval of a share (Wilson 1927, JASA 22:209–212): unlike the usual ± interval it is right
 * for shares near 1. Without trials nothing is known: [0, 1].
 */
export function wilsonInterval(successes: number, trials: number): [low: number, high: number] {
  if (trials === 0) return [0, 1];
  const share = successes / trials;
  const spread = Z * Math.sqrt((share * (1 - share)) / trials + (Z * Z) / (4 * trials * trials));
  const centre = share + (Z * Z) / (2 * trials);
  const scale = 1 + (Z * Z) / trials;
  return [Math.max(0, (centre - spread) / scale), Math.min(1, (centre + spread) / scale)];
}
