import { type Command, Option } from 'commander';
import { given, jsonCommand, spaceOption } from '../arguments.js';
import { watchMigration } from '../migration-progress.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly out: string;
  readonly space?: string;
}

export function exportCommand(terminal: Terminal): Command {
  return jsonCommand('export')
    .description("Write a domain as a datastore that DeepFace's own code opens.")
    .argument('<domain>')
    .addOption(new Option('--format <format>', 'layout to write').choices(['deepface']).default('deepface'))
    .addOption(new Option('--out <dir>', 'folder that gets the datastore').makeOptionMandatory())
    .addOption(spaceOption("space to write (default: the domain's own)"))
    .action(async (domain: string, { out, space }: Flags) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openDatabaseOf } = await import('../../server/services.js');
      const { exportDomain } = await import('../../migration/export.js');
      await using gallery = await openDatabaseOf(loadConfig());
      using progress = watchMigration(terminal);
      const { onProgress } = progress;
      const { signal } = terminal;
      const report = await exportDomain(gallery, { domain, out, ...given({ space }), onProgress, signal });
      progress.end();
      terminal.answer(report, () => [
        `${report.domain}: ${report.rows} rows in ${report.seconds.toFixed(1)} s`,
        report.datastore,
      ]);
    });
}
