import { type SentError, sendError } from '../worker-protocol.js';
import { type NetworkSource, writeNetwork } from './network-files.js';

// The main program of the short-lived process that prepares a network: one order comes, one answer goes.

export interface WriterOrder {
  readonly source: NetworkSource;
  readonly folder: string;
  /** See {@link writeNetwork}. */
  readonly turned: boolean;
}

/** `full`: the disk would not take it. */
export type WriterAnswer =
  | { readonly kind: 'written' | 'full' }
  | { readonly kind: 'failed'; readonly error: SentError };

const DISK_FAULTS = ['ENOSPC', 'EDQUOT', 'EROFS', 'EFBIG'];

async function answer({ source, folder, turned }: WriterOrder): Promise<WriterAnswer> {
  try {
    await writeNetwork(source, folder, turned);
    return { kind: 'written' };
  } catch (error) {
    const full = error instanceof Error && 'code' in error && DISK_FAULTS.includes(String(error.code));
    return full ? { kind: 'full' } : { kind: 'failed', error: sendError(error) };
  }
}

process.once('message', (order: WriterOrder) => {
  void answer(order).then((given) => process.send?.(given, () => process.disconnect()));
});
