import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FoundDatastore, findDatastores } from '../datastore/find.js';
import { type Check, finding } from './check.js';
import { faultDetail } from './check-database.js';

const HOUR_MS = 3_600_000;

/** The datastores of every domain folder can be listed and their heads read. */
export async function checkDatastores(storage: string): Promise<readonly Check[]> {
  const entries = await readdir(storage, { withFileTypes: true }).catch(() => null);
  if (entries === null) return [finding('datastores', 'ok', `no folder ${storage}: no domain has a datastore`)];
  const domains = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const checks = await Promise.all(domains.map((domain) => checkDomain(join(storage, domain), domain)));
  const found = checks.flat();
  return found.length === 0 ? [finding('datastores', 'ok', `${domains.length} domain folders, no datastore`)] : found;
}

async function checkDomain(folder: string, domain: string): Promise<readonly Check[]> {
  try {
    const found = await findDatastores(folder);
    return await Promise.all(found.map((datastore) => checkDatastore(datastore, domain)));
  } catch (error) {
    return [finding('datastores', 'failure', `${domain}: ${faultDetail(error)}`)];
  }
}

async function checkDatastore(datastore: FoundDatastore, domain: string): Promise<Check> {
  const size = `${domain}/${datastore.name}: ${(datastore.bytes / 1024 ** 2).toFixed(1)} MiB`;
  if (datastore.supersededBy !== null)
    return finding(
      'datastores',
      'warning',
      `${size}, superseded by ${datastore.supersededBy}; DeepFace no longer reads it`,
    );
  if (datastore.bytes <= 5) return finding('datastores', 'warning', emptyDetail(datastore, domain));
  if (await hasOlderSignature(datastore))
    return finding(
      'datastores',
      'warning',
      `${size}, written after its signature ${datastore.name}.ldsa, which may not fit any more: sign it anew, or remove the signature`,
    );
  return finding('datastores', 'ok', size);
}

function emptyDetail({ name, modified }: FoundDatastore, domain: string): string {
  const detail = `${domain}/${name} is empty: DeepFace leaves that while it rebuilds, or when a photo made it fail`;
  const idle = Date.now() - modified.getTime() > HOUR_MS;
  return idle ? `${detail}; nothing has written to it for over an hour` : detail;
}

/** Whoever signs a datastore does it after it was written; what is written later, such as by Kith, is not signed. */
const hasOlderSignature = ({ path, modified }: FoundDatastore): Promise<boolean> =>
  stat(`${path}.ldsa`).then(
    (signature) => signature.mtimeMs < modified.getTime(),
    () => false,
  );
