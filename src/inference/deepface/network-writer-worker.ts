import { serveJobs } from '../worker-port.js';
import { type NetworkSource, writeNetwork } from './network-files.js';

/** What a writer is started with. */
export interface WriterSettings {
  readonly source: NetworkSource;
  readonly folder: string;
}

/** `written` is false where the disk would not take it. */
export interface WriterAnswer {
  readonly written: boolean;
}

const DISK_FAULTS = ['ENOSPC', 'EDQUOT', 'EROFS', 'EFBIG'];

// All of the work is in starting: the thread is ended, with all that it took of memory, when it has answered.
await serveJobs<WriterSettings, never, never>(async ({ source, folder }) => {
  const about: WriterAnswer = { written: await tryWrite(source, folder) };
  return { about, run: (job: never) => Promise.resolve(job), close: () => Promise.resolve() };
});

async function tryWrite(source: NetworkSource, folder: string): Promise<boolean> {
  try {
    await writeNetwork(source, folder);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && DISK_FAULTS.includes(String(error.code))) return false;
    throw error;
  }
}
