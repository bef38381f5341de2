import { KithError } from '../errors.js';
import type { Queryable, QueryOptions } from './database.js';
import type { SchemaStatus } from './gallery.js';
import { MIGRATIONS } from './migrations.generated.js';

/** The newest version that this build knows. */
export const LATEST_VERSION: number = MIGRATIONS.at(-1)?.version ?? 0;

export async function schemaStatus(database: Queryable, options?: QueryOptions): Promise<SchemaStatus> {
  const found = await database.query<{ versions: boolean; old: boolean }>(
    {
      text: `select to_regclass('kith_schema') is not null as versions,
        to_regclass('persons') is not null and to_regclass('face_embeddings') is not null as old`,
      repeatable: true,
    },
    options,
  );
  const { versions, old } = found.rows[0]!;
  if (!versions) return { state: old ? 'old-service' : 'missing' };
  const applied = await appliedVersions(database, options);
  const version = Math.max(0, ...applied);
  const latest = LATEST_VERSION;
  if (version > latest) return { state: 'newer', version, latest };
  return pending(applied).length === 0 ? { state: 'current', version } : { state: 'old', version, latest };
}

/** The versions that a database with Kith's schema has. */
export async function appliedVersions(database: Queryable, options?: QueryOptions): Promise<readonly number[]> {
  const { rows } = await database.query<{ version: number }>(
    { text: 'select version from kith_schema order by version', repeatable: true },
    options,
  );
  return rows.map((row) => row.version);
}

/** The migrations that are still to be applied, in order. */
export const pending = (applied: readonly number[]): typeof MIGRATIONS =>
  MIGRATIONS.filter(({ version }) => !applied.includes(version));

/** Throws what is wrong with a schema that is not current, naming the command that mends it. */
export function assertCurrent(status: SchemaStatus): void {
  switch (status.state) {
    case 'current':
      return;
    case 'missing':
      throw new KithError('schema-missing', {});
    case 'old-service':
      throw new KithError('schema-not-taken-over', {});
    case 'old':
      throw new KithError('schema-old', { found: status.version, needed: status.latest });
    case 'newer':
      throw new KithError('schema-newer', { found: status.version, known: status.latest });
  }
}
