import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where inside `KITH_DATA` the embedded database keeps its files. */
export const embeddedDataFolder = (folder: string): string => join(folder, 'postgres');

/** Whether a folder holds an embedded database. Opening one where there is none makes it. */
export const embeddedDatabaseExists = (folder: string): boolean => existsSync(embeddedDataFolder(folder));
