import { Command, InvalidArgumentError, Option } from 'commander';
import type { KeyInfo, Scope } from '../../ops/keys.js';
import { given, jsonCommand } from '../arguments.js';
import { tableLines } from '../table.js';
import type { Terminal } from '../terminal.js';

const DAY_MS = 86_400_000;
const UNITS: Readonly<Record<string, number>> = { h: DAY_MS / 24, d: DAY_MS, w: 7 * DAY_MS, y: 365 * DAY_MS };

/** `90d`, `12h`, `4w`, `1y`, or a date such as `2027-01-31`. */
function expiry(text: string): Date {
  const [, count, unit] = /^(\d{1,4})([hdwy])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return new Date(Date.now() + Number(count) * (UNITS[unit] ?? 0));
  const date = /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : null;
  if (date === null || Number.isNaN(date.getTime()))
    throw new InvalidArgumentError('it must be as 90d, 12h, 4w, 1y, or a date as 2027-01-31');
  if (date.getTime() < Date.now()) throw new InvalidArgumentError('it must lie in the future');
  return date;
}

/** The keys of the configured database, for the time of `work`. */
async function withKeys<T>(work: (keys: import('../../ops/keys.js').ApiKeys) => Promise<T>): Promise<T> {
  const { loadConfig } = await import('../../config/config.js');
  const { openDatabaseOf } = await import('../../server/services.js');
  const { ApiKeys } = await import('../../ops/keys.js');
  await using gallery = await openDatabaseOf(loadConfig());
  return await work(new ApiKeys(gallery.database));
}

const day = (date: Date | null): string => (date === null ? '–' : date.toISOString().slice(0, 16).replace('T', ' '));

const state = (key: KeyInfo): string => {
  if (key.revokedAt !== null) return `revoked ${day(key.revokedAt)}`;
  if (key.expiresAt !== null && key.expiresAt < new Date()) return `expired ${day(key.expiresAt)}`;
  return key.expiresAt === null ? 'in force' : `until ${day(key.expiresAt)}`;
};

export function keysCommand(terminal: Terminal): Command {
  return new Command('keys')
    .description('API keys: shown once, stored hashed, revoked at once on every instance.')
    .addCommand(createCommand(terminal))
    .addCommand(listCommand(terminal))
    .addCommand(revokeCommand(terminal));
}

interface CreateFlags {
  readonly scope: Scope;
  readonly domain?: string;
  readonly expires?: Date;
  readonly note?: string;
}

function createCommand(terminal: Terminal): Command {
  return jsonCommand('create')
    .description('Makes a key and prints it: once, and nowhere else.')
    .addOption(
      new Option('--scope <scope>', 'what it may; each may what the ones before it may')
        .choices(['recognise', 'enrol', 'admin'])
        .makeOptionMandatory(),
    )
    .option('--domain <name>', 'only in this domain')
    .option('--expires <when>', '90d, 12h, 4w, 1y, or a date', expiry)
    .option('--note <text>', 'whose it is, for the list')
    .action(async ({ scope, domain, expires, note }: CreateFlags) => {
      const made = await withKeys((keys) => keys.create({ scope, ...given({ domain, expiresAt: expires, note }) }));
      terminal.answer({ key: made.key, ...made.info }, () => [
        made.key,
        '',
        `Scope ${made.info.scope}${made.info.domain === null ? '' : ` in ${made.info.domain}`}, ${state(made.info)}. It is shown this once.`,
        `Use it as: curl -H "Authorization: Bearer $KEY" …   Revoke it with: kith keys revoke ${made.info.id}`,
      ]);
    });
}

function listCommand(terminal: Terminal): Command {
  return jsonCommand('list')
    .description('Every key: id, scope, domain, state, last use; never the key itself.')
    .action(async () => {
      const keys = await withKeys((all) => all.list({ signal: terminal.signal }));
      const rows = keys.map((key) => [
        key.id,
        key.scope,
        key.domain ?? 'every',
        state(key),
        day(key.lastUsedAt),
        key.note,
      ]);
      terminal.answer({ keys }, () =>
        keys.length === 0
          ? ['no keys: the service listens on loopback only']
          : tableLines(['id', 'scope', 'domain', 'state', 'last used', 'note'], rows),
      );
    });
}

function revokeCommand(terminal: Terminal): Command {
  return jsonCommand('revoke')
    .description('Ends a key, with the next request on every instance.')
    .argument('<id>', 'the part of the key between the two _')
    .action(async (id: string) => {
      const info = await withKeys((keys) => keys.revoke(id));
      terminal.answer(info, () => [`${id} is revoked`]);
    });
}
