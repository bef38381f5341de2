import type { CheckReport, Level } from '../ops/check.js';

const MARKS: Readonly<Record<Level, string>> = { ok: 'ok      ', warning: 'WARNING ', failure: 'FAILURE ' };

/** A line per check, and the sum. `numbered` counts as the old service's suite did: 1/9, 2/9 … */
export function* checkTable(report: CheckReport, style: 'plain' | 'numbered'): Generator<string> {
  const { checks, passed, failed } = report;
  const width = Math.max(...checks.map((check) => check.name.length));
  for (const [index, { name, level, detail }] of checks.entries()) {
    const number = style === 'numbered' ? `${index + 1}/${checks.length}  ` : '';
    yield `${number}${MARKS[level]} ${name.padEnd(width)}  ${detail}`;
  }
  const warnings = checks.filter((check) => check.level === 'warning').length;
  yield '';
  yield `${passed} passed${warnings === 0 ? '' : ` (${warnings} with a warning)`}, ${failed} failed`;
}
