/** How a check ended: only a failure makes `doctor` and `selftest` exit with 1. */
export type Level = 'ok' | 'warning' | 'failure';

/** One line of a report. `detail` says what was found and, unless all is well, what to do. */
export interface Check {
  readonly name: string;
  /** False only for a failure. */
  readonly ok: boolean;
  readonly level: Level;
  readonly detail: string;
}

export interface CheckReport {
  readonly checks: readonly Check[];
  readonly passed: number;
  readonly failed: number;
}

export function finding(name: string, level: Level, detail: string): Check {
  return { name, ok: level !== 'failure', level, detail };
}

export function reportOf(checks: readonly Check[]): CheckReport {
  const failed = checks.filter((check) => !check.ok).length;
  return { checks, passed: checks.length - failed, failed };
}
