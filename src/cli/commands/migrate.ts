import { type Command, Option } from 'commander';
import type { DomainReport, MigrationReport } from '../../migration/report.js';
import { given, jsonCommand, spaceOption } from '../arguments.js';
import { watchMigration } from '../migration-progress.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly domain?: string[];
  readonly all?: true;
  readonly dryRun?: true;
  readonly validateOnly?: true;
  readonly space?: string;
}

const append = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

export function migrateCommand(terminal: Terminal): Command {
  return jsonCommand('migrate')
    .description(
      'Move DeepFace datastores into the database, every row accounted for. ' +
        'Killed at any moment and run again, it goes on; run twice, it changes nothing; it never deletes a row.',
    )
    .addOption(new Option('--domain <name>', 'a domain under KITH_STORAGE; may be repeated').argParser(append))
    .addOption(new Option('--all', 'every domain under KITH_STORAGE').conflicts('domain'))
    .option('--dry-run', 'read and check every row, write nothing; needs no database')
    .addOption(
      new Option('--validate-only', 'compare database and datastore row by row, both ways').conflicts('dryRun'),
    )
    .addOption(spaceOption("what an old datastore's file name does not say, as model_…_expand_0"))
    .action(async (flags: Flags, command: Command) => {
      if (flags.domain === undefined && flags.all === undefined)
        command.error('error: give --domain <name>, more than once if you like, or --all');
      await run(terminal, flags);
    });
}

async function run(terminal: Terminal, flags: Flags): Promise<void> {
  const { loadConfig } = await import('../../config/config.js');
  const { openMigrationGallery } = await import('../../server/services.js');
  const { migrate } = await import('../../migration/migrate.js');
  const { exitCode } = await import('../../migration/report.js');
  const config = loadConfig();
  const purpose = flags.dryRun ? 'dry-run' : flags.validateOnly ? 'read' : 'write';
  await using gallery = await openMigrationGallery(config, purpose);
  const { BulkProgress } = await import('../../ops/bulk-progress.js');
  const told =
    purpose === 'write' && gallery.opened !== null ? new BulkProgress(gallery.opened.database, 'migration') : null;
  await using _told = told;
  using progress = watchMigration(terminal);
  const reports = await migrate(gallery.opened, {
    storage: config.storage,
    domains: flags.domain ?? 'all',
    ...given({ dryRun: flags.dryRun, validateOnly: flags.validateOnly, space: flags.space }),
    onProgress: (at) => {
      progress.onProgress(at);
      told?.update(at.domain, at.done, at.total);
    },
    signal: terminal.signal,
  });
  progress.end();
  terminal.answer(reports, () => describe(reports));
  terminal.exitWith(exitCode(reports, flags.validateOnly === true));
}

function* describe(reports: readonly DomainReport[]): Generator<string> {
  if (reports.length === 0) yield 'no domain found';
  for (const report of reports) {
    if ('error' in report) yield `${report.domain}: failed: ${report.error.message} (${report.error.code})`;
    else yield* describeReport(report);
    yield '';
  }
}

const STATES: Readonly<Record<MigrationReport['state'], string>> = {
  migrated: 'migrated',
  'dry-run': 'dry run, nothing written',
  validated: 'validated, nothing written',
  empty: 'the datastore is empty, or DeepFace is rebuilding it',
  'no-datastore': 'no datastore',
};

const SHOWN = 20;

function* describeReport(report: MigrationReport): Generator<string> {
  yield `${report.domain}: ${STATES[report.state]}`;
  if (report.space !== null) yield `space ${report.space}`;
  for (const warning of report.warnings) yield `warning: ${warning}`;
  if (report.state === 'empty' || report.state === 'no-datastore') return;
  if (report.skipped.length > 0) yield 'skipped rows:';
  for (const { row, identity, detail } of report.skipped.slice(0, SHOWN))
    yield `  ${row}  ${identity ?? 'without a path'}: ${detail}`;
  if (report.skipped.length > SHOWN) yield `  … and ${report.skipped.length - SHOWN} more (--json names all)`;
  yield* tableLines(
    ['rows', 'migrated', 'unchanged', 'skipped', 'persons', 'faces/person', 'seconds'],
    [
      [
        report.rows,
        report.migrated,
        report.unchanged,
        report.skipped.length,
        report.persons,
        Number(report.facesPerPerson.toFixed(2)),
        Number(report.seconds.toFixed(1)),
      ],
    ],
  );
  yield* describeValidation(report);
}

function* describeValidation({ validated, findings }: MigrationReport): Generator<string> {
  if (validated === null) return;
  const { ok, missing, extra, different } = validated;
  yield `validated: ${ok} equal, ${missing} missing, ${extra} extra, ${different} different`;
  for (const { kind, imagePath } of findings.slice(0, SHOWN)) yield `  ${kind.replace('-', ' ')}: ${imagePath}`;
}
