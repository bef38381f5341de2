import pg from 'pg';
import type { SqlValue } from './database.js';
import { encodeVector } from './vector-binary.js';

const TIMESTAMP = 1114;
const text = (value: string): string => value;

/** Reads columns: as pg does, but a timestamp without zone is UTC (every session of Kith's runs in UTC). */
export const RESULT_TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === TIMESTAMP
      ? (value: string) => new Date(`${value.replace(' ', 'T')}Z`)
      : (pg.types.getTypeParser(oid, format as 'text') ?? text)) as typeof pg.types.getTypeParser,
};

/** A parameter as the driver sends it: buffers in binary, the rest as text. */
export function driverValue(value: SqlValue): unknown {
  if (value instanceof Float32Array) return encodeVector(value);
  if (value instanceof Uint8Array && !Buffer.isBuffer(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'bigint' ? String(value) : value;
}

/** A text as a literal inside SQL, for the few statements that take no parameters. */
export const literal = (value: string): string => pg.escapeLiteral(value);

/** A name quoted as an identifier. */
export const identifier = (name: string): string => pg.escapeIdentifier(name);
