import { KithError } from '../errors.js';
import type { Queryable, QueryOptions } from './database.js';
import { stateOf } from './database-fault.js';

/** The oldest pgvector with HNSW. */
export const LEAST_PGVECTOR = '0.5.0';

export type Version = readonly [major: number, minor: number, patch: number];

export function parseVersion(text: string): Version {
  const [major = 0, minor = 0, patch = 0] = text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return [major, minor, patch];
}

export function isAtLeast(version: Version, least: string): boolean {
  const needed = parseVersion(least);
  for (const [index, part] of version.entries()) if (part !== needed[index]) return part > needed[index]!;
  return true;
}

/** The version of the extension in this database, or null. */
export async function pgvectorVersion(database: Queryable, options?: QueryOptions): Promise<Version | null> {
  const { rows } = await database.query<{ extversion: string }>(
    { text: `select extversion from pg_catalog.pg_extension where extname = 'vector'`, repeatable: true },
    options,
  );
  return rows[0] === undefined ? null : parseVersion(rows[0].extversion);
}

/** Makes the extension where it is missing and this role may; throws `pgvector-missing` or `pgvector-old`. */
export async function ensurePgvector(database: Queryable): Promise<Version> {
  let version = await pgvectorVersion(database);
  if (version === null) {
    try {
      await database.query({ text: 'create extension if not exists vector' });
    } catch (error) {
      // Not installed on the server, or not this role's to make.
      if (['58P01', '0A000', '42501'].includes(stateOf(error)))
        throw new KithError('pgvector-missing', {}, { cause: error });
      throw error;
    }
    version = await pgvectorVersion(database);
  }
  if (version === null) throw new KithError('pgvector-missing', {});
  if (!isAtLeast(version, LEAST_PGVECTOR))
    throw new KithError('pgvector-old', { found: version.join('.'), needed: LEAST_PGVECTOR });
  return version;
}
