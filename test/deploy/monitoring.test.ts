import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Metrics } from '#kith/ops/metrics.js';
import { ROOT } from '../support/kith.js';
import { findProgram } from '../support/postgres-cluster.js';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const rules = read('deploy/prometheus/kith.rules.yml');
const dashboardText = read('deploy/grafana/kith.json');
const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map((match) => match[1] ?? '');

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboard = JSON.parse(dashboardText) as { readonly panels: readonly Panel[] };

/** Every series that a process shows, of each metric with one event or state. */
async function shownNames(): Promise<Set<string>> {
  const metrics = new Metrics({ version: '0' });
  metrics.observeRequest({ method: 'GET', route: '/', status: 200, seconds: 1 });
  metrics.observeDetect('s', 1);
  metrics.observeEmbed('s', 1);
  metrics.observeSearch('d', 'pkl', 1);
  metrics.countError('c');
  metrics.countShadow('d', 'agreed');
  metrics.countShadowDropped('d');
  metrics.countRecall('d', 1, 1);
  metrics.countReloadFailure('d');
  metrics.countRollback('d', 'automatic');
  const text = await metrics.text();
  return new Set(
    [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
    ),
  );
}

const namesIn = (expressions: string): string[] => [
  ...new Set([...expressions.matchAll(/\b((?:kith|nodejs|process)_[a-z0-9_]+)/g)].map((match) => match[1] ?? '')),
];

describe('alerts', () => {
  it('name only metrics that a process shows', async () => {
    const shown = await shownNames();
    const named = namesIn(rules.replace(/^\s*#.*$/gm, ''));
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((name) => !shown.has(name))).toEqual([]);
  });

  it('have an entry each in the runbook, and the runbook none without an alert', () => {
    const runbook = read('docs/runbook.md');
    const entries = [...runbook.matchAll(/^### (Kith\w+)$/gm)].map((match) => match[1] ?? '');
    expect(entries.sort()).toEqual([...alerts].sort());
    for (const alert of alerts) expect(rules).toContain(`docs/runbook.md#${alert.toLowerCase()}`);
  });

  it('are tested each to fire and to stay quiet', () => {
    const tests = read('deploy/prometheus/kith.test.yml');
    for (const alert of alerts) {
      expect(tests).toContain(`- name: ${alert} fires`);
      expect(tests).toContain(`- name: ${alert} stays quiet`);
    }
    expect(alerts.length).toBeGreaterThanOrEqual(15);
  });

  const promtool = findProgram('promtool');
  if (promtool === null)
    it('NOT RUN, no promtool (apt-get install prometheus): the rules and their tests', () => undefined);
  else {
    it('pass promtool, rules and their unit tests', () => {
      const folder = join(ROOT, 'deploy/prometheus');
      expect(execFileSync(promtool, ['check', 'rules', 'kith.rules.yml'], { cwd: folder, encoding: 'utf8' })).toContain(
        'SUCCESS',
      );
      expect(execFileSync(promtool, ['test', 'rules', 'kith.test.yml'], { cwd: folder, encoding: 'utf8' })).toContain(
        'SUCCESS',
      );
    });

    it('fail promtool when a bound is changed', () => {
      const folder = mkdtempSync(join(tmpdir(), 'kith-rules-'));
      writeFileSync(join(folder, 'kith.rules.yml'), rules.replace('kith_ready == 0', 'kith_ready == 2'));
      writeFileSync(join(folder, 'kith.test.yml'), read('deploy/prometheus/kith.test.yml'));
      const ended = spawnSync(promtool, ['test', 'rules', 'kith.test.yml'], { cwd: folder, encoding: 'utf8' });
      rmSync(folder, { recursive: true });
      expect(ended.status).not.toBe(0);
    });
  }
});

describe('the Grafana dashboard', () => {
  const expressions = dashboard.panels.flatMap((panel) => panel.targets ?? []).map((target) => target.expr);

  it('names only metrics that a process shows, and every one of Kith that does', async () => {
    const shown = await shownNames();
    const named = namesIn(expressions.join('\n'));
    expect(named.filter((name) => !shown.has(name))).toEqual([]);
    const left = [...shown].filter((name) => name.startsWith('kith_') && !/_(sum|count|bucket)$/.test(name));
    expect(left.filter((name) => !`${expressions.join('\n')} ${dashboardText} ${rules}`.includes(name))).toEqual([]);
  });

  it('has expressions that Prometheus can read', () => {
    const promtool = findProgram('promtool');
    if (promtool === null) {
      console.log('NOT RUN: no promtool (apt-get install prometheus)');
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'kith-dashboard-'));
    const recorded = expressions.map(
      (expression, index) =>
        `      - record: panel:${index}\n        expr: ${JSON.stringify(expression.replaceAll('$__rate_interval', '5m'))}`,
    );
    writeFileSync(join(folder, 'panels.yml'), `groups:\n  - name: panels\n    rules:\n${recorded.join('\n')}\n`);
    const output = execFileSync(promtool, ['check', 'rules', join(folder, 'panels.yml')], { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    expect(output).toContain(`${expressions.length} rules found`);
  });

  it('has panels with ids of their own that do not lie on each other', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map((panel) => panel.id)).size).toBe(panels.length);
    const cells = new Set<string>();
    for (const { gridPos, title } of panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.has(`${x},${y}`), `${title} lies on another panel`).toBe(false);
          cells.add(`${x},${y}`);
          expect(x).toBeLessThan(24);
        }
  });
});
