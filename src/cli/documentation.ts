import type { Command } from 'commander';
import { COMMANDS } from './commands.js';
import { ProcessTerminal } from './terminal.js';

const helpOf = (command: Command, path: string): string[] => {
  command.configureHelp({ helpWidth: 100 });
  const help = command.helpInformation().replace(/^Usage: .*$/m, `Usage: ${path} ${command.usage()}`.trimEnd());
  return [help.trimEnd(), ...command.commands.flatMap((child) => helpOf(child, `${path} ${child.name()}`))];
};

/** The body of docs/cli.md: what `--help` says of every command and its subcommands. */
export async function commandReference(): Promise<string> {
  const terminal = new ProcessTerminal(false, new AbortController().signal, process);
  const sections: string[] = [];
  for (const { name, summary, load } of COMMANDS) {
    const command = (await load())(terminal);
    const blocks = helpOf(command, `kith ${name}`).map((help) => `\`\`\`\n${help}\n\`\`\``);
    sections.push(`## kith ${name}\n\n${summary}\n\n${blocks.join('\n\n')}`);
  }
  return sections.join('\n\n');
}
