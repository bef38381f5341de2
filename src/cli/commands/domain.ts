import type { Command } from 'commander';
import { KithError } from '../../errors.js';
import type { DomainChanges, DomainSettings, Mode } from '../../gallery/domain.js';
import { jsonCommand } from '../arguments.js';
import { author } from '../author.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

export function domainCommand(terminal: Terminal): Command {
  return jsonCommand('domain')
    .description('Domains: what answers their searches, and their settings.')
    .addCommand(listCommand(terminal))
    .addCommand(modeCommand(terminal))
    .addCommand(setCommand(terminal));
}

function listCommand(terminal: Terminal): Command {
  return jsonCommand('list')
    .description('Every domain with its mode, and where that comes from.')
    .action(async () => {
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      await using services = await openServices(loadConfig());
      const domains = await services.recognition.modes.list({ signal: terminal.signal });
      terminal.answer({ domains }, () =>
        tableLines(
          ['domain', 'mode', 'because', 'watched until'],
          domains.map(({ domain, mode, source, watch }) => [domain, mode, source, watch?.until ?? '–']),
        ),
      );
    });
}

interface ModeFlags {
  readonly force?: true;
  readonly reason?: string;
}

const isMode = (text: string): text is Mode => text === 'pkl' || text === 'dual' || text === 'pgvector';

function modeCommand(terminal: Terminal): Command {
  return jsonCommand('mode')
    .description('Show or set what answers: pkl (the datastore), dual (both, compared) or pgvector (the database).')
    .argument('<domain>')
    .argument(
      '[mode]',
      'pkl, dual, pgvector or default (what it would be if nobody had set it); pgvector passes the same gate as cutover',
    )
    .option('--force', 'set pgvector although the verdict is not ready; needs --reason')
    .option('--reason <text>', 'recorded with the change')
    .action(async (domain: string, mode: string | undefined, { force, reason }: ModeFlags, command: Command) => {
      const wanted = mode === 'default' ? null : mode;
      if (typeof wanted === 'string' && !isMode(wanted))
        command.error(`error: a mode is pkl, dual, pgvector or default, not ${mode}`);
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      await using services = await openServices(loadConfig());
      const { modes } = services.recognition;
      const options = { signal: terminal.signal, force: force === true };
      const answer =
        wanted === undefined
          ? await modes.of(domain, options)
          : await modes.set(domain, wanted as Mode | null, author(reason), options);
      terminal.answer(answer, () => [`${answer.domain}: ${answer.mode} (${answer.source})`]);
    });
}

/** The settings that `kith domain set` knows: how each is read, and its bounds in words. */
const SETTINGS: Readonly<Record<string, { field: keyof DomainChanges; min: number; max: number; whole: boolean }>> = {
  threshold: { field: 'threshold', min: 0, max: 1_000_000, whole: false },
  margin: { field: 'margin', min: 0, max: 1_000_000, whole: false },
  'ef-search': { field: 'efSearch', min: 1, max: 1000, whole: true },
};

/** `threshold=0.35`; `threshold=` takes the setting back. Throws `usage`. */
export function parseSetting(text: string): DomainChanges {
  const [key = '', value] = text.split('=', 2);
  const setting = Object.hasOwn(SETTINGS, key) ? SETTINGS[key] : undefined;
  const number = value === '' ? null : Number(value);
  const fits = (n: number): boolean =>
    setting !== undefined && n >= setting.min && n <= setting.max && (!setting.whole || Number.isInteger(n));
  if (setting !== undefined && value !== undefined && (number === null || fits(number)))
    return { [setting.field]: number };
  const known = Object.entries(SETTINGS).map(([name, { min, max }]) => `${name}=${min}…${max}`);
  throw new KithError('usage', {
    problem: `a setting is one of ${known.join(', ')}, or name= to take it back; ${JSON.stringify(text)} was given`,
    command: 'kith domain set',
  });
}

function setCommand(terminal: Terminal): Command {
  return jsonCommand('set')
    .description('Change settings of a domain: threshold=0.35 margin=0.02 ef-search=100; name= takes one back.')
    .argument('<domain>')
    .argument('<settings...>', 'key=value')
    .option('--reason <text>', 'recorded with the change')
    .action(async (domain: string, settings: string[], { reason }: { readonly reason?: string }) => {
      const changes = Object.assign({}, ...settings.map(parseSetting)) as DomainChanges;
      const { loadConfig } = await import('../../config/config.js');
      const { openServices } = await import('../../server/services.js');
      await using services = await openServices(loadConfig());
      const gallery = await services.gallery();
      const changed = await gallery.setDomain(domain, changes, author(reason), { signal: terminal.signal });
      const { stored: _stored, ...answer } = changed;
      terminal.answer(answer, () => describeSettings(answer));
    });
}

function* describeSettings(settings: DomainSettings): Generator<string> {
  const { domain, threshold, margin, efSearch } = settings;
  yield `${domain}: threshold ${threshold ?? "the space's"}, margin ${margin ?? "the service's"}, ef-search ${efSearch ?? 'chosen'}`;
}
