import type { Command } from 'commander';
import { Option } from 'commander';
import type { LatencyPercentiles, ShadowReport } from '../../recognition/shadow-report.js';
import { given, jsonCommand, numberWithin } from '../arguments.js';
import { author } from '../author.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

export function shadowCommand(terminal: Terminal): Command {
  return jsonCommand('shadow')
    .description("Comparisons of a domain's two searches: the datastore's and the database's.")
    .addCommand(reportCommand(terminal))
    .addCommand(replayCommand(terminal))
    .addCommand(resetCommand(terminal));
}

function reportCommand(terminal: Terminal): Command {
  return jsonCommand('report')
    .description('Do both searches agree, and may the domain be cut over?')
    .argument('<domain>')
    .action(async (domain: string) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      await using services = await openServices(loadConfig());
      const report = await services.recognition.shadow.report(domain, { signal: terminal.signal });
      terminal.answer(report, () => describeShadow(report));
    });
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
const milliseconds = (latency: LatencyPercentiles | null): string =>
  latency === null ? 'unknown' : `p50 ${latency.p50.toFixed(1)}, p95 ${latency.p95.toFixed(1)} ms`;

/** The report for a person's eyes; `cutover` prints it too. */
export function* describeShadow(report: ShadowReport): Generator<string> {
  const { agreement, interval, coverage, latency } = report;
  const range = `95 % interval ${percent(interval[0])} … ${percent(interval[1])}`;
  yield `${report.domain}: ${report.verdict}`;
  for (const reason of report.reasons) yield `  ${reason}`;
  yield `comparisons ${report.comparisons}${agreement === null ? '' : `, agreement ${percent(agreement)}, ${range}`}`;
  yield `latency: datastore ${milliseconds(latency.datastore)}; database ${milliseconds(latency.gallery)}`;
  if (coverage !== null) yield `persons: ${coverage.gallery} of ${coverage.datastore} are in the database`;
  const classes = Object.entries(report.differences);
  if (classes.length === 0) return;
  yield '';
  yield* tableLines(['difference', 'comparisons'], classes);
  for (const [name, examples] of Object.entries(report.examples))
    for (const { datastore, gallery, detail } of examples.slice(0, 2))
      yield `  ${name}: ${datastore?.person ?? 'nobody'} against ${gallery?.person ?? 'nobody'}: ${detail}`;
}

interface ReplayFlags {
  readonly photos?: string;
  readonly legacyFind?: true;
  readonly limit?: number;
}

function replayCommand(terminal: Terminal): Command {
  return jsonCommand('replay')
    .description('Compare without waiting for traffic: every enrolled face as a probe, its own image left out.')
    .argument('<domain>')
    .option('--photos <dir>', 'photos as probes instead')
    .option(
      '--legacy-find',
      "also search as DeepFace.find of 0.0.94–0.0.100 did (RGB); needs --photos or the domain's images",
    )
    .addOption(new Option('--limit <n>', 'probes at most').argParser(numberWithin(1, 1e9, true)))
    .action(async (domain: string, { photos, legacyFind, limit }: ReplayFlags) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      await using services = await openServices(loadConfig());
      using progress = terminal.progress(`${domain}: comparing`, 'probes');
      const report = await services.recognition.shadow.replay({
        domain,
        ...given({ photos, legacyFind, limit }),
        onProgress: ({ done, total }) => progress.update(done, total),
        signal: terminal.signal,
      });
      progress.end();
      terminal.answer(report, function* () {
        const { comparisons, agreed, skipped, seconds, legacyFind } = report;
        yield `${domain}: ${agreed} of ${comparisons} agree, ${skipped} skipped, ${seconds.toFixed(1)} s`;
        yield* Object.entries(report.differences).map(([name, count]) => `  ${name}: ${count}`);
        if (legacyFind !== null)
          yield `the old find would have answered differently in ${legacyFind.differ} of ${legacyFind.comparisons}`;
      });
    });
}

function resetCommand(terminal: Terminal): Command {
  return jsonCommand('reset')
    .description('Start the count again, after a repair.')
    .argument('<domain>')
    .option('--reason <text>', 'recorded')
    .action(async (domain: string, { reason }: { readonly reason?: string }) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      await using services = await openServices(loadConfig());
      const { shadow } = services.recognition;
      const answer = await shadow.reset(domain, author(reason), { signal: terminal.signal });
      terminal.answer(answer, () => [`${domain}: ${answer.removed} comparisons forgotten`]);
    });
}
