import type { Queryable } from '../gallery/database.js';
import { identifier } from '../gallery/sql-values.js';
import type { Subject } from './reconcile.js';

/**
 * Which person of the gallery each folder of the datastore is: the one of its name, else the one who has most of the
 * folder's faces. So a person renamed or merged in the gallery stays so when a migration runs again, and one whose
 * name an old migration spelled differently is not made twice.
 */
export async function mapPersons(transaction: Queryable, { domain, table }: Subject): Promise<void> {
  await transaction.query({
    text: 'create temporary table kith_folder (person text primary key, person_id integer not null) on commit drop',
  });
  const byName = (name: string): string => `
    insert into kith_folder
    select distinct on (stage.person) stage.person, persons.id
    from (select distinct person from kith_stage where reason is null) stage
    join persons on persons.domain = $1 and ${name} = stage.person
    order by stage.person, persons.id
    on conflict do nothing`;
  await transaction.query({ text: byName('persons.name'), values: [domain] });
  // Kith's names are composed (NFC); one written by others may be spelled with combining marks.
  const composed = `case when getdatabaseencoding() = 'UTF8' and persons.name ~ '[^ -~]' then normalize(persons.name) else persons.name end`;
  await transaction.query({ text: byName(composed), values: [domain] });
  await transaction.query({
    text: `
      insert into kith_folder
      select distinct on (stage.person) stage.person, face.person_id
      from kith_match join kith_stage stage using (row_number) join ${identifier(table)} face on face.id = face_id
      where not exists (select from kith_folder where kith_folder.person = stage.person)
      group by stage.person, face.person_id
      order by stage.person, count(*) desc, face.person_id`,
  });
}

/** Adds a person for every folder that has none, in the order of the datastore. */
export async function addMissingPersons(transaction: Queryable, domain: string): Promise<void> {
  await transaction.query({
    text: `
      with added as (
        insert into persons (name, domain)
        select person, $1
        from (select person, min(row_number) as first from kith_stage where reason is null group by person) folder
        where not exists (select from kith_folder where kith_folder.person = folder.person)
        order by first
        on conflict (name, domain) do update set name = excluded.name
        returning name, id)
      insert into kith_folder select name, id from added`,
    values: [domain],
  });
}

/** Folders that are a person of another name, for people to see: `folder is person`. */
export async function foldersUnderOtherNames(transaction: Queryable): Promise<readonly string[]> {
  const { rows } = await transaction.query<{ folder: string; name: string }>({
    text: `
      select person as folder, name from kith_folder join persons on persons.id = person_id
      where name <> person order by person limit 20`,
  });
  return rows.map(({ folder, name }) => `the folder ${folder} is the person ${name} in the gallery`);
}
