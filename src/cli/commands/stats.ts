import type { Command } from 'commander';
import { jsonCommand } from '../arguments.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

export function statsCommand(terminal: Terminal): Command {
  return jsonCommand('stats')
    .description('Persons and faces of every domain, or of one.')
    .option('--domain <name>', 'only this one')
    .action(async ({ domain }: { readonly domain?: string }) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      await using services = await openServices(loadConfig());
      const { readBulkProgress } = await import('../../ops/bulk-progress.js');
      const { domains } = await services.recognition.stats({ domain, signal: terminal.signal });
      const running = await services.gallery().then(
        ({ database }) => readBulkProgress(database),
        () => [],
      );
      const answer = { domains, running: running.filter((run) => domain === undefined || run.domain === domain) };
      terminal.answer(answer, () => [
        ...(answer.domains.length === 0
          ? ['no domain yet: kith enroll, kith migrate']
          : tableLines(
              ['domain', 'mode', 'persons', 'faces', 'faces/person', 'space'],
              answer.domains.map(({ domain, mode, persons, faces, facesPerPerson, space }) => [
                domain,
                mode,
                persons,
                faces,
                Number(facesPerPerson.toFixed(2)),
                space ?? 'undeclared',
              ]),
            )),
        ...answer.running.map(
          (run) => `${run.kind} of ${run.domain} under way: ${run.done} of ${run.total ?? 'an unknown number'}`,
        ),
      ]);
    });
}
