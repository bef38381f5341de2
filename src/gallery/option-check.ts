import { KithError } from '../errors.js';

/** A whole number within bounds, or the default when none was given. Throws `gallery-option`. */
export function wholeNumber(
  option: string,
  given: number | undefined,
  [low, high]: readonly [number, number],
  otherwise: number,
): number {
  if (given === undefined) return otherwise;
  if (Number.isInteger(given) && given >= low && given <= high) return given;
  throw new KithError('gallery-option', { option, allowed: `a whole number from ${low} to ${high}`, given });
}

/** A finite number, not negative. Throws `gallery-option`. */
export function notNegative(option: string, given: number): number {
  if (Number.isFinite(given) && given >= 0) return given;
  throw new KithError('gallery-option', { option, allowed: 'a number, 0 or greater', given });
}

/** A text of 1 to `longest` characters. Throws `gallery-option`. */
export function shortText(option: string, given: string, longest: number): string {
  if (given.length > 0 && given.length <= longest && !given.includes('\0')) return given;
  throw new KithError('gallery-option', {
    option,
    allowed: `a text of 1 to ${longest} characters`,
    given: JSON.stringify(given.slice(0, 40)),
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const UNFIT = /[\x00-\x1f\x7f/\\]|^\.{1,2}$/;

/** A domain's name: also a folder's name below the storage. Throws `domain-name`. */
export function domainName(given: string): string {
  if (given.length > 0 && given.length <= 100 && !UNFIT.test(given)) return given;
  throw new KithError('domain-name', { given: JSON.stringify(given.slice(0, 40)) });
}

/** Keys are whole numbers or UUIDs; anything else names no row. */
export const isKey = (id: string): boolean => /^(\d{1,19}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.test(id);
