import { EmbeddedOwner } from './embedded-owner.js';
import { PostgresDatabase } from './postgres-database.js';

// The backend does one thing at a time; more sessions would only wait in another place.
const SESSIONS = 8;

/** The embedded database of a folder, made when it is not there. Nothing is opened before the first statement. */
export function openEmbeddedDatabase(folder: string): PostgresDatabase {
  const owner = new EmbeddedOwner(folder);
  return new PostgresDatabase({
    kind: 'embedded',
    address: `embedded in ${folder}`,
    client: { user: 'postgres', database: 'postgres', application_name: 'kith', stream: () => owner.stream() },
    size: SESSIONS,
    // The backend cannot be interrupted. The connection is dropped, and with it whatever had not started.
    cancel: async () => undefined,
    prepare: () => owner.ensure(),
    release: () => owner.close(),
  });
}
