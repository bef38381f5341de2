import type { DatastoreRow } from './row.js';

/** What the writer needs of a row; a {@link DatastoreRow} fits. */
export type WritableRow = Pick<DatastoreRow, 'identity' | 'hash' | 'box'> & {
  /** Float32 or wider; null is written as None. */
  readonly embedding: Float32Array | Float64Array | readonly number[] | null;
};

export interface WriteReport {
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
}
