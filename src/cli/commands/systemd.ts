import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { CommandBuilder } from '../command.js';
import type { Terminal } from '../terminal.js';

interface UnitFlags {
  readonly name: string;
  readonly user: string;
  readonly group?: string;
  readonly host: string;
  readonly port: number;
  readonly storage: string;
  readonly models?: string;
  readonly urlFile?: string;
  readonly memory: string;
  readonly cpu?: string;
  readonly watchdog: number;
  readonly systemd?: number;
}

const PROGRAM = fileURLToPath(new URL('../../../bin/kith.js', import.meta.url));
/** Debian 12's: what a machine without systemd is most likely to write a unit for. */
const LEAST_VERSION = 252;

async function unitText(flags: UnitFlags): Promise<string> {
  const { systemdUnit } = await import('../../ops/systemd-unit.js');
  const { systemdVersion } = await import('../../ops/systemd-install.js');
  return systemdUnit({
    name: flags.name,
    user: flags.user,
    group: flags.group ?? flags.user,
    node: process.execPath,
    program: PROGRAM,
    workingFolder: dirname(dirname(PROGRAM)),
    host: flags.host,
    port: flags.port,
    storage: resolve(flags.storage),
    models: flags.models === undefined ? null : resolve(flags.models),
    urlFile: flags.urlFile === undefined ? null : resolve(flags.urlFile),
    memoryMax: flags.memory,
    cpuQuota: flags.cpu ?? null,
    watchdogSeconds: flags.watchdog,
    systemdVersion: flags.systemd ?? (await systemdVersion()) ?? LEAST_VERSION,
  });
}

const count = (text: string): number => Number.parseInt(text, 10);

const withUnitFlags = (command: Command): Command =>
  command
    .option('--name <name>', 'name of the unit; facerecweb replaces the old one in place', 'kith')
    .option('--user <user>', 'system user of the service', 'kith')
    .option('--group <group>', 'system group of the service (default: as the user)')
    .option('--host <host>', 'KITH_HOST', '127.0.0.1')
    .option('--port <port>', 'KITH_PORT', count, 5001)
    .option(
      '--storage <folder>',
      'KITH_STORAGE, the only folder outside its own that it may write',
      '/srv/kith/storage',
    )
    .option('--models <folder>', 'KITH_MODELS')
    .option('--url-file <file>', "file with the database's URL, handed over by LoadCredential (default: embedded)")
    .option('--memory <size>', 'MemoryMax', '4G')
    .option('--cpu <percent>', 'CPUQuota, such as 150%')
    .option('--watchdog <seconds>', 'WatchdogSec; 0 for none', count, 30)
    .option('--systemd <version>', 'version of systemd to write for (default: the one here)', count)
    .option('--json', 'one JSON document on stdout');

const print =
  (terminal: Terminal) =>
  async (flags: UnitFlags): Promise<void> => {
    const unit = await unitText(flags);
    terminal.answer({ name: flags.name, unit }, () => [unit.trimEnd()]);
  };

const install =
  (terminal: Terminal) =>
  async (flags: UnitFlags): Promise<void> => {
    const { installUnit } = await import('../../ops/systemd-install.js');
    const done = await installUnit({ name: flags.name, user: flags.user, unit: await unitText(flags) });
    terminal.answer(done, () => [
      done.changed ? `wrote ${done.file}` : `${done.file} is as it should be`,
      ...(done.kept === null ? [] : [`the unit that was there is kept as ${done.kept}`]),
      ...(done.userMade ? [`made the system user ${flags.user}`] : []),
      ...(done.loaded ? [] : ['then: systemctl daemon-reload']),
      `then: systemctl enable --now ${flags.name}`,
    ]);
  };

export const systemdCommand: CommandBuilder = (terminal) =>
  new Command('systemd')
    .description('A systemd unit for the service; docs/systemd.md tells what each line of it is for.')
    .addCommand(withUnitFlags(new Command('print').description('prints the unit')).action(print(terminal)))
    .addCommand(
      withUnitFlags(new Command('install').description('checks the unit, writes it, keeps what was there')).action(
        install(terminal),
      ),
    );
