import type { Command } from 'commander';
import { jsonCommand, numberWithin } from '../arguments.js';
import { checkTable } from '../check-table.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly check?: string;
  readonly wait: number;
}

export function doctorCommand(terminal: Terminal): Command {
  return jsonCommand('doctor')
    .description(
      'Looks at everything that the service needs, changes nothing, and says what to do. Warnings alone exit 0, a failure exits 1.',
    )
    .option('--check <names>', 'only these, with commas between: port,database (see docs/runbook.md)')
    .option('--wait <seconds>', 'how long --check health waits for the service', numberWithin(0, 3600), 0)
    .action(async (flags: Flags) => {
      const { examine, parseGroups } = await import('../../ops/doctor.js');
      const { doctorContext } = await import('../../server/doctor-context.js');
      const groups = flags.check === undefined ? {} : { groups: parseGroups(flags.check) };
      const report = await examine(doctorContext(terminal.signal), { ...groups, waitSeconds: flags.wait });
      terminal.answer(report, () => checkTable(report, 'plain'));
      if (report.failed > 0) terminal.exitWith(1);
    });
}

export function selftestCommand(terminal: Terminal): Command {
  return jsonCommand('selftest')
    .description('Nine checks on the live database, in a transaction that leaves no trace. Exits 1 when one fails.')
    .action(async () => {
      const { selftestReport } = await import('../../server/doctor-context.js');
      const report = await selftestReport(terminal.signal);
      terminal.answer(report, () => checkTable(report, 'numbered'));
      if (report.failed > 0) terminal.exitWith(1);
    });
}
