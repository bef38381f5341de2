import type { SpaceName } from '../embedding/space.js';
import type { DatastoreRow } from './row.js';

/** The layouts of FIELD: what an element of the list is. E and F differ only in their file's name. */
export type Layout = 'A' | 'A-ensemble' | 'B' | 'C' | 'D' | 'E' | 'F';

export interface RowsOptions {
  /** Which of {@link Datastore.parts} to read, from 0. Only an ensemble has more than one. Default 0. */
  readonly part?: number;
  readonly signal?: AbortSignal;
}

/** How a datastore's rows are made up, known after one pass over it. */
export interface DatastoreSurvey {
  readonly rows: number;
  /** Rows per number of dimensions, most frequent first; rows without a vector are in none. */
  readonly dimensions: readonly { readonly dimensions: number; readonly rows: number }[];
}

export interface Datastore {
  readonly path: string;
  readonly bytes: number;
  /** Of the first row; null when the datastore is empty. */
  readonly layout: Layout | null;
  /** `empty` is the list without rows that DeepFace leaves while it rebuilds, or when one image made it fail. */
  readonly state: 'rows' | 'empty';
  /** What the file's name says of the space; null when it is not a name that DeepFace gives. */
  readonly fileSpace: SpaceName | null;
  /** The models whose vectors each row holds: one, or an ensemble's four; null when the file's name does not say. */
  readonly parts: readonly (string | null)[];
  /** Whether a LightDSA signature (`.ldsa`) lies beside the file. Kith does not check it. */
  readonly signature: boolean;
  /** Reads the rows in order, in batches; leaving the loop early closes the file. Throws the `datastore-…` faults. */
  rows(options?: RowsOptions): AsyncIterable<readonly DatastoreRow[]>;
  /** One pass that counts rows and dimensions and checks the file to its end. */
  survey(options?: RowsOptions): Promise<DatastoreSurvey>;
}
