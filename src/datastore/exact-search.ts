import type { ExactIndex } from './exact-index.js';
import { ExactThread } from './exact-thread.js';
import { type ExactIndexOptions, WatchedIndex } from './exact-watch.js';

export type { ExactIndexOptions } from './exact-watch.js';

/** Exact search over any number of datastores, in one thread of its own; closing it closes every index. */
export interface ExactSearch extends AsyncDisposable {
  /**
   * Loads a datastore and keeps it up to date with its file. Never throws for what is wrong with the file: the index
   * then has the state `failed`, its searches throw `datastore-not-served`, and it is loaded when the file is whole.
   */
  open(path: string, options?: ExactIndexOptions): Promise<ExactIndex>;
}

/**
 * Starts exact search.
 *
 * @example
 * await using exact = openExactSearch();
 * const index = await exact.open(path);
 * const [best] = await index.search(values, { topK: 5, threshold: 0.68 });
 */
export function openExactSearch(): ExactSearch {
  const indexes = new Set<WatchedIndex>();
  const thread = new ExactThread(() => {
    for (const index of indexes) index.lost();
  });
  let opened = 0;
  return Object.freeze({
    async open(path: string, options: ExactIndexOptions = {}): Promise<ExactIndex> {
      const index: WatchedIndex = new WatchedIndex(thread, opened++, path, options, () => indexes.delete(index));
      indexes.add(index);
      await index.start();
      return index;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all([...indexes].map((index) => index[Symbol.asyncDispose]()));
      await thread[Symbol.asyncDispose]();
    },
  });
}
