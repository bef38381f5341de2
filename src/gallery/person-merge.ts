import { KithError } from '../errors.js';
import { writeAudit } from './audit-store.js';
import type { Queryable, QueryOptions } from './database.js';
import type { Author } from './domain.js';
import type { Person } from './person.js';
import { deletePerson, readPerson } from './person-store.js';
import { identifier } from './sql-values.js';

/** What a merge did. */
export interface MergeReport {
  /** Who is left, with the faces of both. */
  readonly person: Person;
  /** Who is gone. */
  readonly merged: Person;
  /** Faces that changed their person, in every space. */
  readonly faces: number;
}

/** Whoever writes a face of either person waits until this is over; one of the person who went then has no person. */
const LOCK = 'select from persons where id = $1 or id = $2 order by id for update';

const COMPLETE = `update persons p set updated_at = current_timestamp,
    wikidata_id = coalesce(p.wikidata_id, gone.wikidata_id), occupation = coalesce(p.occupation, gone.occupation)
  from persons gone where gone.id = $1 and p.id = $2`;

/** Every table that names a person: the faces of each space, and the datastore rows that no face holds. */
async function move(database: Queryable, values: readonly [string, string]): Promise<number> {
  const { rows } = await database.query<{ name: string }>({ text: 'select table_name as name from kith_spaces' });
  let faces = 0;
  for (const { name } of rows) {
    const text = `update ${identifier(name)} set person_id = $2 where person_id = $1`;
    faces += (await database.query({ text, values })).rowCount;
  }
  await database.query({ text: 'update kith_datastore_rows set person_id = $2 where person_id = $1', values });
  return faces;
}

/**
 * Gives all faces of one person to another one of the same domain, who keeps name and id and learns what only the
 * other's row knew; the emptied one goes. Needs a transaction. Throws `person-unknown`, `person-merge-same`,
 * `person-merge-domains`.
 */
export async function mergePersons(
  database: Queryable,
  fromId: string,
  intoId: string,
  author: Author,
  options?: QueryOptions,
): Promise<MergeReport> {
  const [{ id: from }, { id: into }] = [
    await readPerson(database, fromId, options),
    await readPerson(database, intoId, options),
  ];
  await database.query({ text: LOCK, values: [from, into] }, options);
  const merged = await readPerson(database, from, options);
  const { domain, name } = await readPerson(database, into, options);
  if (from === into) throw new KithError('person-merge-same', { name, domain });
  if (merged.domain !== domain) throw new KithError('person-merge-domains', { from: merged.domain, into: domain });
  await database.query({ text: COMPLETE, values: [from, into] }, options);
  const faces = await move(database, [from, into]);
  await deletePerson(database, from, options);
  const { wikidataId, occupation } = merged;
  const details = { from: { id: from, name: merged.name, wikidataId, occupation }, into: { id: into, name }, faces };
  await writeAudit(database, { domain, action: 'person-merge', author, details });
  return { person: await readPerson(database, into, options), merged, faces };
}
