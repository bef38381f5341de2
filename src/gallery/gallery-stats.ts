import { spaceName } from '../embedding/space.js';
import type { Queryable, QueryOptions } from './database.js';
import type { DomainSettings, DomainStats, Mode } from './domain.js';
import { listDomains, readDomain } from './domain-store.js';

interface Count {
  readonly domain: string;
  readonly count: number;
}

async function counts(database: Queryable, table: string, domain: string | undefined, options?: QueryOptions) {
  const text = `select domain, count(*)::float8 as count from ${table} ${domain === undefined ? '' : 'where domain = $1'}
    group by domain`;
  const values = domain === undefined ? [] : [domain];
  const { rows } = await database.query<Count>({ text, values, repeatable: true }, options);
  return new Map(rows.map((row) => [row.domain, row.count]));
}

/** Persons and faces per domain, the faces in the space that its searches use. */
export async function galleryStats(
  database: Queryable,
  modeOf: (domain: DomainSettings) => Mode,
  only: string | undefined,
  options?: QueryOptions,
): Promise<{ readonly domains: readonly DomainStats[] }> {
  const domains =
    only === undefined ? await listDomains(database, options) : [await readDomain(database, only, options)];
  const tables = [...new Set(domains.map(({ stored }) => stored.table))];
  const persons = await counts(database, 'persons', only, options);
  const faces = new Map<string, Map<string, number>>();
  for (const table of tables) faces.set(table, await counts(database, table, only, options));
  return {
    domains: domains.map((domain) => {
      const personCount = persons.get(domain.domain) ?? 0;
      const faceCount = faces.get(domain.stored.table)?.get(domain.domain) ?? 0;
      return {
        domain: domain.domain,
        mode: modeOf(domain),
        space: domain.stored.space === null ? null : spaceName(domain.stored.space),
        persons: personCount,
        faces: faceCount,
        facesPerPerson: personCount === 0 ? 0 : Math.round((100 * faceCount) / personCount) / 100,
      };
    }),
  };
}
