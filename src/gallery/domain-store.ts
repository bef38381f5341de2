import { type EmbeddingSpace, spaceName, whyNotComparable } from '../embedding/space.js';
import { KithError } from '../errors.js';
import { writeAudit } from './audit-store.js';
import type { Queryable, QueryOptions } from './database.js';
import type { Author, Domain, DomainChanges, Mode } from './domain.js';
import { domainName, notNegative, wholeNumber } from './option-check.js';
import { ensureSpace, SPACE_COLUMNS, type SpaceRow, storedSpace } from './space-store.js';

interface DomainRow extends SpaceRow {
  readonly name: string;
  readonly recorded: boolean;
  readonly mode: Mode | null;
  readonly threshold: number | null;
  readonly margin: number | null;
  readonly ef_search: number | null;
}

/** A domain, and whether Kith has a row of it or only the old service's persons say that it exists. */
export interface FoundDomain {
  readonly domain: Domain;
  readonly recorded: boolean;
}

const DOMAIN_COLUMNS = `d.name is not null as recorded, d.mode, d.threshold, d.margin, d.ef_search, ${SPACE_COLUMNS}`;

function found(row: DomainRow): FoundDomain {
  const { name, recorded, mode, threshold, margin, ef_search: efSearch } = row;
  return { recorded, domain: { domain: name, mode, threshold, margin, efSearch, stored: storedSpace(row) } };
}

const FIND = `select n.name, ${DOMAIN_COLUMNS}
  from (select $1::varchar as name) n
  left join kith_domains d on d.name = n.name
  join kith_spaces s on s.id = coalesce(d.space_id, 1)
  where d.name is not null or exists (select from persons p where p.domain = n.name)`;

export async function findDomain(
  database: Queryable,
  name: string,
  options?: QueryOptions,
): Promise<FoundDomain | undefined> {
  const { rows } = await database.query<DomainRow>(
    { text: FIND, values: [name], name: 'kith_domain', repeatable: true },
    options,
  );
  return rows[0] === undefined ? undefined : found(rows[0]);
}

/** Throws `domain-unknown`. */
export async function readDomain(database: Queryable, name: string, options?: QueryOptions): Promise<Domain> {
  const row = await findDomain(database, name, options);
  if (row === undefined) throw new KithError('domain-unknown', { domain: name });
  return row.domain;
}

// A loose index scan: one step per domain, however many persons there are.
const LIST = `with recursive used (name) as (
    (select p.domain from persons p order by p.domain limit 1)
    union all
    select (select p.domain from persons p where p.domain > used.name order by p.domain limit 1)
    from used where used.name is not null
  )
  select n.name, ${DOMAIN_COLUMNS}
  from (select name from used where name is not null union select name from kith_domains) n
  left join kith_domains d on d.name = n.name
  join kith_spaces s on s.id = coalesce(d.space_id, 1)
  order by n.name`;

export async function listDomains(database: Queryable, options?: QueryOptions): Promise<readonly Domain[]> {
  const { rows } = await database.query<DomainRow>({ text: LIST, repeatable: true }, options);
  return rows.map((row) => found(row).domain);
}

function refuseOtherSpace(domain: Domain, space: EmbeddingSpace): void {
  const held = domain.stored.space;
  const given = spaceName(space);
  if (held === null) throw new KithError('space-undeclared', { domain: domain.domain, given });
  throw new KithError('domain-space', { domain: domain.domain, held: spaceName(held), given });
}

async function hasFaces(database: Queryable, { domain, stored }: Domain): Promise<boolean> {
  const { rows } = await database.query({
    text: `select from ${stored.table} where domain = $1 limit 1`,
    values: [domain],
  });
  return rows.length > 0;
}

const holds = ({ stored }: Domain, space: EmbeddingSpace): boolean =>
  stored.space !== null && stored.space.metric === space.metric && whyNotComparable(stored.space, space) === null;

/** The domain with its row, holding `space`. Needs a transaction. Throws `domain-space` or `space-undeclared`. */
export async function ensureDomain(database: Queryable, name: string, space: EmbeddingSpace): Promise<Domain> {
  domainName(name);
  const before = await findDomain(database, name);
  if (before?.recorded && holds(before.domain, space)) return before.domain;
  // A domain without a face is free to hold any space.
  if (before !== undefined && !holds(before.domain, space) && (await hasFaces(database, before.domain)))
    refuseOtherSpace(before.domain, space);
  const stored = await ensureSpace(database, space);
  await database.query({
    text: `insert into kith_domains as d (name, space_id) values ($1, $2)
      on conflict (name) do update set space_id = excluded.space_id, updated_at = now()
      where d.space_id is distinct from excluded.space_id`,
    values: [name, stored.id],
  });
  return readDomain(database, name);
}

function checked(changes: DomainChanges): DomainChanges {
  const { threshold, margin, efSearch } = changes;
  if (threshold != null) notNegative('threshold', threshold);
  if (margin != null) notNegative('margin', margin);
  if (efSearch != null) wholeNumber('ef_search', efSearch, [1, 1000], 0);
  return changes;
}

const SET = `insert into kith_domains as d (name, space_id, mode, threshold, margin, ef_search)
  values ($1, $2, $3, $4, $5, $6)
  on conflict (name) do update set mode = excluded.mode, threshold = excluded.threshold, margin = excluded.margin,
    ef_search = excluded.ef_search, updated_at = now()`;

/** Changes settings of a domain and writes down who did. Needs a transaction. */
export async function changeDomain(
  database: Queryable,
  name: string,
  given: DomainChanges,
  author: Author,
): Promise<Domain> {
  const changes = checked(given);
  // One change of a domain at a time, so that none undoes the other.
  await database.query({ text: `select pg_advisory_xact_lock(hashtext('kith domain'), hashtext($1))`, values: [name] });
  const domain = await readDomain(database, name);
  const { mode, threshold, margin, efSearch, stored } = { ...domain, ...changes };
  await database.query({ text: SET, values: [name, stored.id, mode, threshold, margin, efSearch] });
  const before = Object.fromEntries((Object.keys(changes) as (keyof DomainChanges)[]).map((key) => [key, domain[key]]));
  await writeAudit(database, { domain: name, action: 'domain-set', author, details: { before, after: changes } });
  return readDomain(database, name);
}
