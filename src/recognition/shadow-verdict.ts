import type { ShadowReport } from './shadow-report.js';

/** From what a domain is ready to be switched; docs/cutover.md says why. */
export const READINESS = Object.freeze({
  /** Comparisons at least. */
  comparisons: 1000,
  /** Lower end of the agreement's 95 % interval at least. */
  agreement: 0.995,
});

export type Evidence = Pick<ShadowReport, 'comparisons' | 'interval' | 'differences' | 'latency' | 'validated'>;

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** What speaks against switching; nothing when the domain is ready. */
export function reasonsAgainst(evidence: Evidence, latencyBudget: number): readonly string[] {
  const { comparisons, interval, differences, latency, validated } = evidence;
  const reasons: string[] = [];
  if (comparisons < READINESS.comparisons)
    reasons.push(`${comparisons} comparisons where at least ${READINESS.comparisons} are needed`);
  if (interval[0] < READINESS.agreement)
    reasons.push(
      `agreement is only sure to be at least ${percent(interval[0])}, and ${percent(READINESS.agreement)} is needed`,
    );
  const unexplained = differences.unexplained ?? 0;
  if (unexplained > 0) reasons.push(`${unexplained} differences without an explanation`);
  const p95 = latency.gallery?.p95;
  if (p95 !== undefined && p95 > latencyBudget)
    reasons.push(`the gallery's p95 is ${p95.toFixed(1)} ms where ${latencyBudget} ms are allowed`);
  return [...reasons, ...validationReasons(validated)];
}

function validationReasons(validated: ShadowReport['validated']): readonly string[] {
  if (validated === null) return ['the datastore could not be held against the database'];
  const { missing, extra, different } = validated;
  if (missing + extra + different === 0) return [];
  return [`validation: ${missing} missing, ${extra} extra, ${different} different`];
}
