import type { Command } from 'commander';
import { Option } from 'commander';
import type { TuneReport } from '../../gallery/recall-tune.js';
import { given, jsonCommand, numberWithin } from '../arguments.js';
import { author } from '../author.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

interface TuneFlags {
  readonly probes?: number;
  readonly seed?: number;
  readonly rebuild?: true;
  readonly m?: number;
  readonly efConstruction?: number;
  readonly reason?: string;
}

export function tuneCommand(terminal: Terminal): Command {
  return jsonCommand('tune')
    .description(
      'Measure recall against exact search, on held-out and hard probes, and keep the ef_search that reaches recall@1 ≥ 0.999 and recall@10 ≥ 0.99.',
    )
    .argument('<domain>')
    .addOption(new Option('--probes <n>', 'probes to choose by').argParser(numberWithin(40, 10_000, true)))
    .addOption(new Option('--seed <n>', 'draws other probes').argParser(numberWithin(0, 1e9, true)))
    .option('--rebuild', 'first give the domain an index of its own, built anew while it is searched')
    .addOption(new Option('--m <n>', 'edges per face of that index').argParser(numberWithin(2, 100, true)))
    .addOption(
      new Option('--ef-construction <n>', 'candidates weighed while it is built').argParser(
        numberWithin(4, 1000, true),
      ),
    )
    .option('--reason <text>', 'recorded with the change')
    .action(async (domain: string, flags: TuneFlags) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      await using services = await openServices(loadConfig());
      const gallery = await services.gallery();
      const { signal } = terminal;
      const shape = given({ m: flags.m, efConstruction: flags.efConstruction });
      if (flags.rebuild === true) await gallery.rebuildIndex(domain, shape, { signal });
      using progress = terminal.progress(`${domain}: exact answers`, 'probes');
      const report = await gallery.tune(domain, {
        ...given({ probes: flags.probes, seed: flags.seed }),
        author: author(flags.reason),
        onProgress: (step, done, all) => step === 'probes' && progress.update(done, all),
        signal,
      });
      progress.end();
      if (!report.meetsTarget) terminal.exitWith(1);
      terminal.answer(report, () => describeTuning(report));
    });
}

const share = (value: number): string => value.toFixed(4);

function* describeTuning({ domain, faces, plan, efSearch, recall, tried, advice }: TuneReport): Generator<string> {
  if (plan.kind === 'exact') yield `${domain}: ${faces} faces, searched exactly: every answer is the true one`;
  else yield `${domain}: ${faces} faces, HNSW index of the ${plan.index}, ef_search ${efSearch}`;
  if (recall !== null) {
    const rows = [['all', recall.all] as const, ...Object.entries(recall.byKind)];
    yield* tableLines(
      ['unseen probes', 'n', 'recall@1', 'recall@10'],
      rows.map(([kind, { probes, recallAt1, recallAt10 }]) => [kind, probes, share(recallAt1), share(recallAt10)]),
    );
  }
  if (tried.length > 0) yield '';
  for (const step of tried)
    yield `tried ef_search ${step.efSearch}: recall@1 ${share(step.recall.recallAt1)}, recall@10 ${share(step.recall.recallAt10)}`;
  if (advice !== null) yield advice;
}
