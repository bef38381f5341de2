import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FoundDatastore, findDatastores } from '../datastore/find.js';

/** Age in milliseconds from which a folder is listed anew although nothing was added to it or taken from it. */
const LISTED_AGAIN = 30_000;
/** A folder changed this recently, milliseconds, may have changed again within the same tick of the file system's clock. */
const SETTLED = 2000;

interface Listing {
  readonly at: number;
  /** The folder's own time of change: it moves when a file is added, removed or renamed in it. */
  readonly changed: number;
  readonly datastores: readonly FoundDatastore[];
}

/** The datastores below the storage folder, by domain. Folders of thousands of persons are listed only when they changed. */
export class StorageFolders {
  readonly #storage: string;
  readonly #listings = new Map<string, Listing>();

  constructor(storage: string) {
    this.#storage = storage;
  }

  /** A storage folder that cannot be read holds none. */
  async datastores(): Promise<ReadonlyMap<string, readonly FoundDatastore[]>> {
    const entries = await readdir(this.#storage, { withFileTypes: true }).catch(() => []);
    const domains = entries.filter((entry) => !entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
    for (const domain of this.#listings.keys()) if (!domains.includes(domain)) this.#listings.delete(domain);
    const found = await Promise.all(domains.map(async (domain) => [domain, await this.#list(domain)] as const));
    return new Map(found.filter(([, datastores]) => datastores.length > 0));
  }

  async #list(domain: string): Promise<readonly FoundDatastore[]> {
    const folder = join(this.#storage, domain);
    const at = Date.now();
    const known = this.#listings.get(domain);
    const changed = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.NaN,
    );
    if (
      known !== undefined &&
      known.changed === changed &&
      at - known.at < LISTED_AGAIN &&
      known.at - changed > SETTLED
    )
      return known.datastores;
    const datastores = await findDatastores(folder).catch(() => []);
    this.#listings.set(domain, { at, changed, datastores });
    return datastores;
  }
}
