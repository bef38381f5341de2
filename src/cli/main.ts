import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { isDebugging } from '../config/environment.js';
import { KithError } from '../errors.js';
import type { CommandEntry } from './command.js';
import { COMMANDS } from './commands.js';
import { describeFailure, toFailure } from './failure.js';
import { ProcessTerminal } from './terminal.js';

const version = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
};

/** A reader that has enough (`kith … | head`) is no fault. */
function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(0);
    });
}

/** First SIGINT or SIGTERM: the command may finish what it must; second, or too slow: the end. */
function listenForStop(controller: AbortController, graceOf: () => number): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    controller.abort(new KithError('interrupted', { signal }));
    setTimeout(() => process.exit(1), graceOf()).unref();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

/** `kith help migrate` is `kith migrate --help`, and `kith` alone is `kith --help`. */
const spellOutHelp = (argv: readonly string[]): readonly string[] =>
  argv.length === 0 || argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;

async function buildProgram(asked: CommandEntry | undefined, terminal: ProcessTerminal): Promise<Command> {
  const program = new Command('kith')
    .description('Face identification on PostgreSQL + pgvector, with a safe way out of DeepFace pickle files')
    .version(version())
    .helpCommand(false)
    .showSuggestionAfterError(true);
  for (const entry of COMMANDS) {
    const command = entry === asked ? (await entry.load())(terminal) : new Command(entry.name);
    program.addCommand(command.summary(entry.summary));
  }
  return program.addHelpText('after', '\nConfiguration: docs/configuration.md. Errors: docs/errors.md.');
}

/** Commander prints and exits by itself unless told; here its faults are thrown and printed like every other. */
function takeOver(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  for (const child of command.commands) takeOver(child);
}

function toUsageFault(error: CommanderError, argv: readonly string[]): KithError | null {
  if (error.exitCode === 0) return null;
  const asked = COMMANDS.find((entry) => entry.name === argv[0]);
  const command = asked === undefined ? 'kith' : `kith ${asked.name}`;
  const problem = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  return new KithError('usage', { problem, command }, { cause: error });
}

/**
 * Runs the command line. Sets the exit code: 0 done, 1 what was asked for failed, 2 wrong usage or configuration.
 * Never throws.
 */
export async function main(args: readonly string[]): Promise<void> {
  const argv = spellOutHelp(args);
  const controller = new AbortController();
  const terminal = new ProcessTerminal(argv.includes('--json'), controller.signal, process);
  tolerateClosedPipes();
  listenForStop(controller, () => terminal.stopGrace);
  const fail = (thrown: unknown): void => {
    const failure = toFailure(thrown);
    process.stderr.write(describeFailure(failure, terminal.json, isDebugging()));
    process.exitCode = failure.error.exit;
  };
  process.on('uncaughtException', (error) => {
    fail(error);
    process.exit();
  });
  try {
    const asked = COMMANDS.find((entry) => entry.name === argv[0]);
    const program = await buildProgram(asked, terminal);
    takeOver(program);
    await program.parseAsync([...argv], { from: 'user' });
    process.exitCode = terminal.exitCode;
  } catch (thrown) {
    const usage = thrown instanceof CommanderError ? toUsageFault(thrown, argv) : thrown;
    if (usage !== null) fail(usage);
  }
}
