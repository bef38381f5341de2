import type { Command } from 'commander';
import type { RestoreReport } from '../../ops/restore.js';
import { jsonCommand } from '../arguments.js';
import type { Terminal } from '../terminal.js';

const mebibytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;

/** `kith-20260131-1200`, with the ending that its kind has. */
const defaultFile = (embedded: boolean): string =>
  `kith-${new Date().toISOString().slice(0, 16).replace(/[-:]/g, '').replace('T', '-')}.${embedded ? 'tar.gz' : 'dump'}`;

export function backupCommand(terminal: Terminal): Command {
  return jsonCommand('backup')
    .description(
      "Writes a backup: a server's database in pg_dump's custom format, the embedded one as an archive. The service may run meanwhile.",
    )
    .argument('[file]', 'where to (default: kith-<time>.dump or .tar.gz)')
    .action(async (file: string | undefined) => {
      const { openBackup } = await import('../../server/backup-context.js');
      await using context = await openBackup();
      const target = file ?? defaultFile(context.source.kind === 'embedded');
      const report = await context.backup(target, terminal.signal);
      terminal.answer(report, () => [
        `${report.file}: ${mebibytes(report.bytes)}, ${report.persons} persons, ${report.faces} faces, ${report.seconds.toFixed(1)} s`,
        `SHA-256 ${report.sha256}`,
      ]);
    });
}

interface RestoreFlags {
  readonly replace?: boolean;
}

const kept = (report: RestoreReport): string[] =>
  report.kept === null ? [] : [`the database that was there is kept in ${report.kept}`];

export function restoreCommand(terminal: Terminal): Command {
  return jsonCommand('restore')
    .description('Restores a backup: all of it or nothing. Needs the owner of the tables; stop the service first.')
    .argument('<file>', 'what kith backup wrote')
    .option('--replace', 'the gallery that is there may go')
    .action(async (file: string, { replace = false }: RestoreFlags) => {
      const { restoreConfigured } = await import('../../server/backup-context.js');
      const report = await restoreConfigured(file, { replace, signal: terminal.signal });
      terminal.answer(report, () => [
        `${report.persons} persons, ${report.faces} faces restored in ${report.seconds.toFixed(1)} s`,
        ...kept(report),
        'then: kith db status, kith selftest',
      ]);
    });
}
