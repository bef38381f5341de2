import { type Command, Option } from 'commander';
import { given, jsonCommand, numberWithin } from '../arguments.js';
import { author } from '../author.js';
import type { Terminal } from '../terminal.js';
import { describeShadow } from './shadow.js';

interface Flags {
  readonly watch?: number;
  readonly maxErrorRate?: number;
  readonly maxEmptyRate?: number;
  readonly force?: true;
  readonly reason?: string;
}

const WEEK_IN_MINUTES = 7 * 24 * 60;

export function cutoverCommand(terminal: Terminal): Command {
  return jsonCommand('cutover')
    .description(
      'Let the database answer for a domain. Refuses with the reasons when its shadow report is not ready. ' +
        'The running services watch it for a while and go back by themselves when it fails.',
    )
    .argument('<domain>')
    .addOption(new Option('--watch <minutes>', 'default: 15').argParser(numberWithin(0, WEEK_IN_MINUTES)))
    .addOption(new Option('--max-error-rate <share>', 'default: 0.02').argParser(numberWithin(0, 1)))
    .addOption(new Option('--max-empty-rate <share>', 'default: 0.02').argParser(numberWithin(0, 1)))
    .option('--force', 'although the verdict is not ready; needs --reason')
    .option('--reason <text>', 'recorded with the change')
    .action((domain: string, flags: Flags) => run(terminal, domain, flags));
}

async function run(terminal: Terminal, domain: string, flags: Flags): Promise<void> {
  const { loadConfig } = await import('../../config/config.js');
  const { openServices } = await import('../../server/services.js');
  await using services = await openServices(loadConfig());
  const { watch: watchMinutes, maxErrorRate, maxEmptyRate, force, reason } = flags;
  const answer = await services.recognition.cutover({
    domain,
    author: author(reason),
    ...given({ watchMinutes, maxErrorRate, maxEmptyRate, force }),
    signal: terminal.signal,
  });
  terminal.answer(answer, function* () {
    yield `${domain}: the database answers; watched until ${answer.watchUntil}; back at any time: kith rollback ${domain}`;
    if (answer.forced) yield `forced although: ${answer.reasons.join('; ')}`;
    if (answer.report !== null) yield* describeShadow(answer.report);
  });
}

export function rollbackCommand(terminal: Terminal): Command {
  return jsonCommand('rollback')
    .description('Let the datastore answer for a domain again, at once.')
    .argument('<domain>')
    .option('--reason <text>', 'recorded with the change')
    .action(async (domain: string, { reason }: { readonly reason?: string }) => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      await using services = await openServices(loadConfig());
      const answer = await services.recognition.rollback(domain, author(reason), { signal: terminal.signal });
      terminal.answer(answer, () => [
        `${domain}: the datastore answers; ${answer.writtenThrough} faces added since the cutover were written to it`,
        ...(answer.staleSignature === null
          ? []
          : [`the signature ${answer.staleSignature} no longer fits the datastore: sign it anew, or remove it`]),
        ...(answer.complete ? [] : ['the database does not answer: the rest is written when it is back']),
      ]);
    });
}
