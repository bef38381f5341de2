import { type Command, Option } from 'commander';
import { given, jsonCommand, numberWithin } from '../arguments.js';
import { author } from '../author.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly dryRun?: true;
  readonly minDays?: number;
  readonly out?: string;
  readonly reason?: string;
}

export function archiveCommand(terminal: Terminal): Command {
  return jsonCommand('archive')
    .description(
      "Pack a domain's datastores away, some time after its cutover: the archive is read back and compared before " +
        'anything is removed; photos are not touched. kith archive restore <file> brings them back.',
    )
    .argument('<domain>', 'a domain, or the word restore')
    .argument('[file]', 'with restore: the archive')
    .option('--dry-run', 'say what would be done')
    .addOption(
      new Option('--min-days <n>', 'least age of the cutover (default: 14)').argParser(numberWithin(0, 10_000)),
    )
    .option('--out <dir>', 'folder that gets the archive (default: the storage folder)')
    .option('--reason <text>', 'recorded')
    .action(async (domain: string, file: string | undefined, flags: Flags, command: Command) => {
      if (domain === 'restore' && file !== undefined) return restore(terminal, file, flags.reason);
      if (file !== undefined) command.error('error: give one domain, or restore and an archive');
      return archive(terminal, domain, flags);
    });
}

async function archive(terminal: Terminal, domain: string, flags: Flags): Promise<void> {
  const { loadConfig } = await import('../../config/config.js');
  const { openServices } = await import('../../server/services.js');
  await using services = await openServices(loadConfig());
  const { dryRun, minDays, out, reason } = flags;
  const report = await services.recognition.archive({
    domain,
    author: author(reason),
    ...given({ dryRun, minDays, out }),
    signal: terminal.signal,
  });
  terminal.answer(report, () => [
    `${report.archive}${report.removed ? '' : ' (dry run: nothing was written or removed)'}`,
    ...report.files.map(({ name, bytes }) => `  ${name}, ${bytes} bytes`),
  ]);
}

async function restore(terminal: Terminal, file: string, reason: string | undefined): Promise<void> {
  const { loadConfig } = await import('../../config/config.js');
  const { openServices } = await import('../../server/services.js');
  await using services = await openServices(loadConfig());
  const call = { signal: terminal.signal };
  const report = await services.recognition.restoreArchive(file, author(reason), call);
  terminal.answer(report, () => [
    `${report.domain}: ${report.files.length} files, ${report.unchanged} of them were there already`,
  ]);
}
