import { openDatastore } from '../datastore/datastore.js';
import { personOf } from '../datastore/row.js';
import type { Gallery } from '../gallery/gallery.js';
import { identifier } from '../gallery/sql-values.js';
import type { ShadowReport } from './shadow-report.js';

/** Names listed of the persons that the gallery lacks. */
const LISTED = 20;

/** The persons of a datastore's rows that have an embedding. */
export async function personsOfDatastore(path: string): Promise<ReadonlySet<string>> {
  const persons = new Set<string>();
  const datastore = await openDatastore(path);
  for await (const rows of datastore.rows())
    for (const { identity, embedding } of rows) {
      const person = identity === null || embedding === null ? null : personOf(identity);
      if (person !== null) persons.add(person.normalize('NFC'));
    }
  return persons;
}

async function personsOfGallery(gallery: Gallery, domain: string): Promise<ReadonlySet<string>> {
  const { stored } = await gallery.domain(domain);
  const { rows } = await gallery.database.query<{ name: string }>({
    text: `select p.name from persons p where p.domain = $1::text
             and exists (select from ${identifier(stored.table)} f where f.person_id = p.id)`,
    values: [domain],
  });
  return new Set(rows.map(({ name }) => name.normalize('NFC')));
}

/** How many persons of the datastore the gallery can answer with. */
export async function coverage(
  gallery: Gallery,
  domain: string,
  path: string,
): Promise<NonNullable<ShadowReport['coverage']>> {
  const [there, here] = await Promise.all([personsOfDatastore(path), personsOfGallery(gallery, domain)]);
  const missing = [...there].filter((person) => !here.has(person)).toSorted();
  return { datastore: there.size, gallery: there.size - missing.length, missing: missing.slice(0, LISTED) };
}
