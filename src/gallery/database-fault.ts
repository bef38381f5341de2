import pg from 'pg';
import { KithError } from '../errors.js';

/**
 * States after which the same work may succeed, with the milliseconds to wait before. The server has undone whatever
 * it did when it reports one of these.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const TRANSIENT_STATES: ReadonlyMap<string, number> = new Map([
  ['40001', 10], // serialization_failure
  ['40P01', 20], // deadlock_detected
  ['53300', 300], // too_many_connections
  ['55P03', 100], // lock_not_available
  ['57P01', 300], // admin_shutdown
  ['57P02', 500], // crash_shutdown
  ['57P03', 500], // cannot_connect_now
]);

/** The connection ended or could not be made; whether a statement took effect is unknown. */
const BROKEN = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
const BROKEN_MESSAGE = /^Connection terminated|not queryable|timeout exceeded when trying to connect|ended before/i;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The SQLSTATE or system code of a driver's error, or of the fault made of one, or "". */
export function stateOf(error: unknown): string {
  if (error instanceof KithError) return stateOf(error.cause);
  return error instanceof Error && 'code' in error ? text(error.code) : '';
}

/** Whether the connection itself failed, as opposed to a statement. */
export function isBroken(error: unknown): boolean {
  if (error instanceof KithError) return isBroken(error.cause);
  if (!(error instanceof Error)) return false;
  const state = stateOf(error);
  return BROKEN.has(state) || state.startsWith('08') || (state === '' && BROKEN_MESSAGE.test(error.message));
}

/** PostgreSQL's first lines name what failed without any value of a parameter; the rest of its report may hold some. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return reasonOf(error.errors[0]);
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0]!.slice(0, 300);
}

function catalogued(error: unknown, address: string): KithError {
  const state = stateOf(error);
  const why = reasonOf(error);
  const cause = { cause: error };
  if (isBroken(error) || state.startsWith('57P0'))
    return new KithError('database-unreachable', { address, why }, cause);
  if (state === '28P01' || state === '28000' || state === '3D000')
    return new KithError('database-refused', { address, why }, cause);
  if (state === '42501') return new KithError('database-permission', { why }, cause);
  if (TRANSIENT_STATES.has(state)) return new KithError('database-busy', { why }, cause);
  return new KithError('database-fault', { why, state: state === '' ? 'none' : state }, cause);
}

/**
 * A catalogued fault of what the driver threw; anything else (an abort, a password source's fault) passes unchanged.
 * The statement is attached for debugging, not enumerable; its parameters never are.
 */
export function databaseFault(error: unknown, address: string, statement?: string): unknown {
  if (error instanceof KithError || !(error instanceof pg.DatabaseError || isBroken(error))) return error;
  const fault = catalogued(error, address);
  if (statement !== undefined) Object.defineProperty(fault, 'statement', { value: statement, enumerable: false });
  return fault;
}
