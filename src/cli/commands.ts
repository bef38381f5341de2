import type { CommandEntry } from './command.js';

/** Every command, in the order of `kith --help`. Only the file of the one that was asked for is loaded. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'systemd',
    summary: 'print or install a systemd unit for the service',
    load: async () => (await import('./commands/systemd.js')).command,
  },
];
