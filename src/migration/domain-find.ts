import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KithError } from '../errors.js';

/** A domain's name is its folder's: one plain name. `persons.domain` is varchar(100). */
const isPlainName = (name: string): boolean => name !== '' && !/^\.|[/\\\0]/.test(name) && name.length <= 100;

/** The domains to migrate: those named, or every folder of the storage, by name. Throws `migration-no-storage`. */
export async function findDomains(storage: string, wanted: readonly string[] | 'all'): Promise<readonly string[]> {
  if (wanted !== 'all') return [...new Set(wanted)];
  try {
    const entries = await readdir(storage, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink());
    return folders
      .map(({ name }) => name)
      .filter(isPlainName)
      .sort();
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new KithError('migration-no-storage', { folder: storage, why }, { cause });
  }
}

/** The folder of a domain; null for a name that is no folder's. */
export function domainFolder(storage: string, domain: string): string | null {
  return isPlainName(domain) ? join(storage, domain) : null;
}
