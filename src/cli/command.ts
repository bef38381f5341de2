import type { Command } from 'commander';
import type { Terminal } from './terminal.js';

/** Builds a command with its flags and its action. A command's file imports rooms inside its action only. */
export type CommandBuilder = (terminal: Terminal) => Command;

/** A line of `kith --help`; the file behind it is loaded when it is the one that was asked for. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandBuilder>;
}
