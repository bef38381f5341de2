import { join } from 'node:path';
import { KithError } from '../errors.js';
import type { Database, Queryable } from '../gallery/database.js';
import { claimFolder } from '../gallery/embedded-lock.js';

/** Where locks are: with the server, or, for the embedded database, which several processes share through its owner, in KITH_DATA. */
export interface LockPlace {
  readonly database: Database;
  readonly data: string;
}

/** Domains that this process has locked, by database. */
const held = new WeakMap<Database, Set<string>>();

/**
 * Runs `work` while no other command that changes what a domain answers from runs for it, in this process or another
 * one. The lock ends with its connection or its process, so a kill frees it. Throws `domain-busy` at once.
 */
export async function withDomainLock<T>(place: LockPlace, domain: string, work: () => Promise<T>): Promise<T> {
  const { database, data } = place;
  const mine = held.get(database) ?? new Set<string>();
  held.set(database, mine);
  if (mine.has(domain)) throw new KithError('domain-busy', { domain });
  mine.add(domain);
  try {
    switch (database.kind) {
      case 'postgres':
        return await withAdvisoryLock(database, domain, work);
      case 'embedded':
        return await withFolderLock(join(data, 'locks', encodeURIComponent(domain)), domain, work);
    }
  } finally {
    mine.delete(domain);
  }
}

async function withFolderLock<T>(folder: string, domain: string, work: () => Promise<T>): Promise<T> {
  const claim = await claimFolder(folder, join(folder, 'none'));
  if (!('release' in claim)) throw new KithError('domain-busy', { domain });
  try {
    return await work();
  } finally {
    claim.release();
  }
}

async function withAdvisoryLock<T>(database: Database, domain: string, work: () => Promise<T>): Promise<T> {
  let done: { readonly result: T } | undefined;
  try {
    await database.transaction(async (transaction) => {
      await lock(transaction, domain);
      done = { result: await work() };
    });
  } catch (error) {
    // The lock's own connection may be lost at the very end; what was done under it is done.
    if (done === undefined) throw error;
  }
  if (done === undefined) throw new KithError('domain-busy', { domain });
  return done.result;
}

async function lock(transaction: Queryable, domain: string): Promise<void> {
  await transaction.query({ text: 'set local idle_in_transaction_session_timeout = 0' });
  const { rows } = await transaction.query<{ locked: boolean }>({
    text: 'select pg_try_advisory_xact_lock(hashtextextended($1::text, 0)) as locked',
    values: [`kith domain ${domain}`],
  });
  if (rows[0]?.locked !== true) throw new KithError('domain-busy', { domain });
}
