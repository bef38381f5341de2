import { Command, InvalidArgumentError, Option } from 'commander';

/** A command that can answer a machine: every command has `--json`. */
export const jsonCommand = (name: string): Command => new Command(name).option('--json', 'one JSON document on stdout');

/** A parser of a numeric flag within bounds, naming them when it is broken. */
export function numberWithin(min: number, max: number, whole = false): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`it must be ${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`);
  };
}

/** Largest distance of any metric that somebody may ask for. */
const MOST_DISTANCE = 1_000_000;

export const domainOption = (): Option => new Option('--domain <name>', 'the gallery').makeOptionMandatory();

export const thresholdOption = (): Option =>
  new Option(
    '--threshold <distance>',
    "largest distance that counts as a match (default: the domain's own, else DeepFace's for the space)",
  ).argParser(numberWithin(0, MOST_DISTANCE));

export const topKOption = (): Option =>
  new Option('--top-k <n>', 'distinct persons wanted').argParser(numberWithin(1, 1000, true)).default(5);

export const spaceOption = (meaning: string): Option => new Option('--space <name>', meaning);

/** `undefined` members are left out: options with exact types do not take them. */
export function given<T extends Readonly<Record<string, unknown>>>(
  values: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
