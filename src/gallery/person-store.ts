import { KithError } from '../errors.js';
import type { Queryable, QueryOptions, Statement } from './database.js';
import { stateOf } from './database-fault.js';
import { domainName, isKey, shortText, wholeNumber } from './option-check.js';
import type { NewPerson, Page, PageRequest, Person } from './person.js';

interface PersonRow {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  readonly wikidata_id: string | null;
  readonly occupation: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = 'p.id::text as id, p.name, p.domain, p.wikidata_id, p.occupation, p.created_at, p.updated_at';

const person = (row: PersonRow): Person => ({
  id: row.id,
  name: row.name,
  domain: row.domain,
  wikidataId: row.wikidata_id,
  occupation: row.occupation,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

// Nothing is written when nothing changes: then the last select answers the row that is there.
const UPSERT = `with added as (
    insert into persons as p (name, domain, wikidata_id, occupation) values ($1, $2, $3, $4)
    on conflict (name, domain) do update
      set wikidata_id = coalesce(excluded.wikidata_id, p.wikidata_id),
          occupation = coalesce(excluded.occupation, p.occupation),
          updated_at = current_timestamp
      where (coalesce(excluded.wikidata_id, p.wikidata_id), coalesce(excluded.occupation, p.occupation))
        is distinct from (p.wikidata_id, p.occupation)
    returning ${COLUMNS}
  )
  select * from added
  union all
  select ${COLUMNS} from persons p where p.name = $1 and p.domain = $2 and not exists (select from added)`;

export async function upsertPerson(database: Queryable, given: NewPerson, options?: QueryOptions): Promise<Person> {
  const name = shortText('name', given.name, 255);
  const values = [name, domainName(given.domain), given.wikidataId ?? null, given.occupation ?? null];
  for (;;) {
    const { rows } = await database.query<PersonRow>({ text: UPSERT, values, name: 'kith_person_upsert' }, options);
    // No row: another writer's came between this statement's snapshot and its insert.
    if (rows[0] !== undefined) return person(rows[0]);
  }
}

async function one(
  database: Queryable,
  where: string,
  values: readonly string[],
  options?: QueryOptions,
): Promise<Person | null> {
  const { rows } = await database.query<PersonRow>(
    { text: `select ${COLUMNS} from persons p where ${where}`, values, repeatable: true },
    options,
  );
  return rows[0] === undefined ? null : person(rows[0]);
}

/** A key of another type than this table's, or beyond its range: it names no row. */
export const isOtherKey = (error: unknown): boolean => ['22P02', '22003'].includes(stateOf(error));

const unknown = (id: string): KithError => new KithError('person-unknown', { id: JSON.stringify(id.slice(0, 40)) });

export async function readPerson(database: Queryable, id: string, options?: QueryOptions): Promise<Person> {
  if (!isKey(id)) throw unknown(id);
  const found = await one(database, 'p.id = $1', [id], options).catch((error: unknown) => {
    if (isOtherKey(error)) return null;
    throw error;
  });
  if (found === null) throw unknown(id);
  return found;
}

export function findPerson(
  database: Queryable,
  name: string,
  domain: string,
  options?: QueryOptions,
): Promise<Person | null> {
  return one(database, 'p.name = $1 and p.domain = $2', [name, domain], options);
}

/** A page of rows one longer than asked for tells whether there is another. */
export function pageOf<Row extends { readonly id: string }, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
): Page<Item> {
  const page = rows.slice(0, limit);
  return { items: page.map(item), next: rows.length > limit ? page.at(-1)!.id : null };
}

export const pageLimit = (page: PageRequest | undefined): number => wholeNumber('limit', page?.limit, [1, 1000], 100);

const wrongStart = (after: string): KithError =>
  new KithError('gallery-option', {
    option: 'after',
    allowed: 'the "next" of a page',
    given: JSON.stringify(after.slice(0, 40)),
  });

/** The key after which a page starts. Throws `gallery-option`. */
export function pageStart(page: PageRequest | undefined): string | null {
  if (page?.after === undefined) return null;
  if (isKey(page.after)) return page.after;
  throw wrongStart(page.after);
}

/** The rows of a page. A start that is a key of another type than this table's is as wrong as any other. */
export async function pageRows<Row extends object>(
  database: Queryable,
  statement: Statement,
  after: string | null,
  options?: QueryOptions,
): Promise<readonly Row[]> {
  try {
    return (await database.query<Row>(statement, options)).rows;
  } catch (error) {
    throw after !== null && isOtherKey(error) ? wrongStart(after) : error;
  }
}

export async function listPersons(
  database: Queryable,
  domain: string,
  page?: PageRequest,
  options?: QueryOptions,
): Promise<Page<Person>> {
  const limit = pageLimit(page);
  const after = pageStart(page);
  const rows = await pageRows<PersonRow>(
    database,
    {
      text: `select ${COLUMNS} from persons p where p.domain = $1 ${after === null ? '' : 'and p.id > $3'}
        order by p.id limit $2`,
      values: [domain, limit + 1, ...(after === null ? [] : [after])],
      repeatable: true,
    },
    after,
    options,
  );
  return pageOf(rows, limit, person);
}

export async function renamePerson(
  database: Queryable,
  id: string,
  name: string,
  options?: QueryOptions,
): Promise<Person> {
  shortText('name', name, 255);
  const before = await readPerson(database, id, options);
  try {
    const { rows } = await database.query<PersonRow>(
      {
        text: `update persons p set name = $2, updated_at = current_timestamp where p.id = $1 returning ${COLUMNS}`,
        values: [id, name],
      },
      options,
    );
    if (rows[0] === undefined) throw unknown(id);
    return person(rows[0]);
  } catch (error) {
    if (stateOf(error) === '23505') throw new KithError('person-exists', { domain: before.domain }, { cause: error });
    throw error;
  }
}

/** Whether a statement that deletes by a key deleted; a key of another type than the table's names no row. */
export async function deletesRow(database: Queryable, statement: Statement, options?: QueryOptions): Promise<boolean> {
  try {
    return (await database.query(statement, options)).rowCount > 0;
  } catch (error) {
    if (isOtherKey(error)) return false;
    throw error;
  }
}

export async function deletePerson(database: Queryable, id: string, options?: QueryOptions): Promise<boolean> {
  if (!isKey(id)) return false;
  return deletesRow(database, { text: 'delete from persons where id = $1', values: [id] }, options);
}
