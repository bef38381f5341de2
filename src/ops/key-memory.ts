import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Whether there was a key when the database was last asked. A service without keys goes on while its database is away,
 * also after a restart; one with keys, or that never knew, does not let anybody pass unasked.
 */
export class KeyMemory {
  readonly #file: string | null;
  #any: boolean | null = null;

  constructor(file: string | null) {
    this.#file = file;
  }

  async get(): Promise<boolean | null> {
    if (this.#any !== null || this.#file === null) return this.#any;
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    return text === 'none\n' ? false : text === 'some\n' ? true : null;
  }

  async set(any: boolean): Promise<void> {
    if (this.#any === any) return;
    this.#any = any;
    if (this.#file === null) return;
    await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
    const draft = `${this.#file}.${process.pid}`;
    await writeFile(draft, any ? 'some\n' : 'none\n', { mode: 0o600 });
    await rename(draft, this.#file);
  }
}
