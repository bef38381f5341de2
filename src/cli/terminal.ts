import { openProgress, type Progress } from './progress.js';

/** What a command has of the outside: where it prints, whether a machine reads it, when to stop. */
export interface Terminal {
  /** `--json` was given: one document on stdout, faults as JSON on stderr, no chatter. */
  readonly json: boolean;
  /** Aborted by the first SIGINT or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
  /** The answer: `document` for a machine, `lines` for a person. */
  answer(document: unknown, lines: () => Iterable<string>): void;
  /** A line for a person on stdout; nothing under `--json`. */
  say(line?: string): void;
  /** A remark on stderr, for a person only: a warning, what is being done. */
  note(line: string): void;
  /** A bar on a terminal, a line now and then elsewhere; nothing under `--json` unless a person watches. */
  progress(label: string, unit: string): Progress;
  /** Ends the process with this code though nothing was thrown: the answer itself says what failed. */
  exitWith(code: 0 | 1 | 2): void;
  /** Milliseconds between the first signal and the forced end; a service asks for more than a command. */
  allowStop(milliseconds: number): void;
}

export interface TerminalStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

const INTERRUPT_GRACE_MS = 5000;

/** The terminal of this process: `exitCode` and `stopGrace` are read by main when the command is over. */
export class ProcessTerminal implements Terminal {
  readonly json: boolean;
  readonly signal: AbortSignal;
  exitCode: 0 | 1 | 2 = 0;
  stopGrace = INTERRUPT_GRACE_MS;
  readonly #streams: TerminalStreams;

  constructor(json: boolean, signal: AbortSignal, streams: TerminalStreams) {
    this.json = json;
    this.signal = signal;
    this.#streams = streams;
  }

  answer(document: unknown, lines: () => Iterable<string>): void {
    const text = this.json ? JSON.stringify(document) : [...lines()].join('\n');
    this.#streams.stdout.write(`${text}\n`);
  }

  say(line = ''): void {
    if (!this.json) this.#streams.stdout.write(`${line}\n`);
  }

  note(line: string): void {
    if (!this.json) this.#streams.stderr.write(`${line}\n`);
  }

  progress(label: string, unit: string): Progress {
    return openProgress(this.#streams.stderr, { label, unit, quiet: this.json });
  }

  exitWith(code: 0 | 1 | 2): void {
    this.exitCode = code;
  }

  allowStop(milliseconds: number): void {
    this.stopGrace = milliseconds;
  }
}
