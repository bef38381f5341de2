import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from './file-replace.js';
import { isRecord } from './json-record.js';

/** A rollback made here while the database could not be written. */
export interface PendingRollback {
  readonly domain: string;
  /** Id of the cutover that it undoes; one made later is not affected. */
  readonly cutover: string;
  /** ISO 8601 */
  readonly at: string;
  readonly who: string;
  readonly why: string;
}

function parse(text: string): PendingRollback | null {
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) return null;
    const { domain, cutover, at, who, why } = value;
    if (typeof domain !== 'string' || typeof cutover !== 'string' || typeof at !== 'string') return null;
    return { domain, cutover, at, who: String(who), why: String(why) };
  } catch {
    return null;
  }
}

const PREFIX = 'pending-rollback-';

/**
 * Rollbacks that are in force on this machine and not yet in the database: a file each in KITH_DATA, so that every
 * service and command that shares the folder follows them, and a restart does too.
 */
export class RollbackMemory {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  #path(domain: string): string {
    return join(this.#folder, `${PREFIX}${encodeURIComponent(domain)}.json`);
  }

  async read(): Promise<readonly PendingRollback[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const files = names.filter((name) => name.startsWith(PREFIX) && name.endsWith('.json'));
    const texts = await Promise.all(files.map((name) => readFile(join(this.#folder, name), 'utf8').catch(() => '')));
    return texts.flatMap((text) => parse(text) ?? []);
  }

  write(rollback: PendingRollback): Promise<void> {
    return replaceFile(this.#path(rollback.domain), `${JSON.stringify(rollback)}\n`);
  }

  async clear(domain: string): Promise<void> {
    await rm(this.#path(domain), { force: true });
  }
}
