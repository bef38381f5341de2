import { parseSpaceName, type SpaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import { isMode, MODES, type Mode } from '../recognition/mode.js';
import type { Fields } from './photo-request.js';

/** Several spellings of one field: the API's own comes first. */
const first = (fields: Fields, names: readonly string[]): unknown => {
  const name = names.find((candidate) => fields[candidate] !== undefined && fields[candidate] !== '');
  return name === undefined ? undefined : fields[name];
};

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
};

/** A text of 1–200 characters. Throws `parameter-missing` or `parameter-value`. */
export function requiredText(fields: Fields, name: string, meaning: string): string {
  const value = optionalText(fields, name);
  if (value === undefined) throw new KithError('parameter-missing', { name, meaning });
  return value;
}

export function optionalText(fields: Fields, name: string): string | undefined {
  const value = first(fields, [name]);
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value.length <= 200 && !/\p{Cc}/u.test(value)) return value;
  throw new KithError('parameter-value', { name, allowed: 'a text of 1 to 200 characters', given: show(value) });
}

interface NumberBounds {
  readonly min: number;
  readonly max: number;
  readonly whole?: true;
}

/** A number from a query, a form (as text) or JSON (as number). Throws `parameter-value`. */
export function optionalNumber(fields: Fields, names: readonly string[], bounds: NumberBounds): number | undefined {
  const given = first(fields, names);
  if (given === undefined) return undefined;
  const value = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
  const { min, max, whole } = bounds;
  if (typeof value === 'number' && value >= min && value <= max && (whole !== true || Number.isInteger(value)))
    return value;
  const allowed = `${whole === true ? 'a whole number' : 'a number'} from ${min} to ${max}`;
  throw new KithError('parameter-value', { name: names[0] ?? '', allowed, given: show(given) });
}

/** Largest distance of any metric that a caller may ask for. */
const MOST_DISTANCE = 1_000_000;

export const requiredDomain = (fields: Fields): string =>
  requiredText(fields, 'domain', 'the gallery to search, as GET /api/v1/domains lists them');

export const threshold = (fields: Fields): number | undefined =>
  optionalNumber(fields, ['threshold'], { min: 0, max: MOST_DISTANCE });

export const topK = (fields: Fields): number | undefined =>
  optionalNumber(fields, ['topK', 'top_k', 'top-k', 'k'], { min: 1, max: 1000, whole: true });

/** Throws `space-name`. */
export function space(fields: Fields): SpaceName | undefined {
  const name = optionalText(fields, 'space');
  return name === undefined ? undefined : parseSpaceName(name);
}

/** A mode, or null for none of the domain's own. Throws `parameter-missing` or `parameter-value`. */
export function requiredMode(fields: Fields): Mode | null {
  const { mode } = fields;
  if (mode === null || isMode(mode)) return mode;
  const allowed = `${MODES.join(', ')} or null`;
  if (mode === undefined) throw new KithError('parameter-missing', { name: 'mode', meaning: allowed });
  throw new KithError('parameter-value', { name: 'mode', allowed, given: show(mode) });
}

/** `cursor` and `limit` of a list. */
export function pageRequest(fields: Fields): { after?: string; limit?: number } {
  const after = optionalText(fields, 'cursor');
  const limit = optionalNumber(fields, ['limit'], { min: 1, max: 1000, whole: true });
  return { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) };
}
