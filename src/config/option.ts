/** One variable of the configuration: how it is spelt, what it means, what may be given, what holds when it is not. */
export interface Option<T> {
  readonly variable: string;
  readonly meaning: string;
  readonly default: T;
  /** The default as the documentation prints it, with its unit. */
  readonly defaultText: string;
  /** Completes "must be …". */
  readonly allowed: string;
  /** A value that no message, log or table may repeat. */
  readonly secret: boolean;
  /** The value, or `undefined` when the text is not allowed. */
  readonly parse: (text: string) => T | undefined;
}

interface Described<T> {
  readonly variable: string;
  readonly meaning: string;
  readonly default: T;
}

/** A whole or decimal number within bounds; `unit` stands in the documentation. */
export function numberOption(
  option: Described<number> & {
    readonly min: number;
    readonly max: number;
    readonly unit?: string;
    readonly decimal?: true;
  },
): Option<number> {
  const kind = option.decimal === true ? 'a number' : 'a whole number';
  const pattern = option.decimal === true ? /^\d+(\.\d+)?$/ : /^\d+$/;
  return {
    variable: option.variable,
    meaning: option.meaning,
    default: option.default,
    defaultText: option.unit === undefined ? String(option.default) : `${option.default} ${option.unit}`,
    allowed: `${kind} from ${option.min} to ${option.max}`,
    secret: false,
    parse: (text) => {
      const value = Number(text);
      return pattern.test(text) && value >= option.min && value <= option.max ? value : undefined;
    },
  };
}

/** One of a closed list of words. */
export function choiceOption<const C extends readonly string[]>(
  option: Described<C[number]> & { readonly choices: C },
): Option<C[number]> {
  return {
    variable: option.variable,
    meaning: option.meaning,
    default: option.default,
    defaultText: option.default,
    allowed: `one of ${option.choices.join(', ')}`,
    secret: false,
    parse: (text) => option.choices.find((choice) => choice === text.toLowerCase()),
  };
}

const TRUE = ['true', '1', 'yes', 'on'];
const FALSE = ['false', '0', 'no', 'off'];

/** True or false, in the spellings that `.env` files use; `default: null` when unset is a third state. */
export function flagOption<D extends boolean | null>(
  option: Described<D> & { readonly unset?: string },
): Option<boolean | D> {
  return {
    variable: option.variable,
    meaning: option.meaning,
    default: option.default,
    defaultText: option.unset ?? String(option.default),
    allowed: 'true or false',
    secret: false,
    parse: (text) => {
      const word = text.toLowerCase();
      if (TRUE.includes(word)) return true;
      return FALSE.includes(word) ? false : undefined;
    },
  };
}

/** Free text, such as a folder or a host. */
export function textOption<D extends string | null>(
  option: Described<D> & { readonly unset?: string; readonly secret?: true },
): Option<string | D> {
  return {
    variable: option.variable,
    meaning: option.meaning,
    default: option.default,
    defaultText: option.unset ?? option.default ?? 'unset',
    allowed: 'a text without control characters',
    secret: option.secret ?? false,
    // A line break in a folder or a host is a broken .env file, never a wish.
    parse: (text) => (/\p{Cc}/u.test(text) ? undefined : text),
  };
}
