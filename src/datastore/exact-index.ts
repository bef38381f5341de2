import type { Metric, SpaceName } from '../embedding/space.js';

/** A person found in a datastore, with the best of its faces. A datastore has no ids: the folder's name is the person. */
export interface ExactCandidate {
  readonly person: string;
  /** In the index's metric, computed in double precision. */
  readonly distance: number;
  /** 1 − distance. */
  readonly similarity: number;
  /** The image's path as the datastore spells it. */
  readonly imagePath: string;
  /** 1 for the first or only face of the image, in the order of the rows. */
  readonly faceNumber: number;
  /** The row in the datastore, from 0. */
  readonly row: number;
}

export interface ExactSearchOptions {
  /** Persons, not faces. */
  readonly topK: number;
  /** Largest distance (inclusive) of a candidate; none when left out. */
  readonly threshold?: number;
  readonly metric?: Metric;
  /** Path of an image whose faces are left out, spelled as in the datastore: leave-one-out probes. */
  readonly exclude?: string | undefined;
}

/** What keeps the newest file from being served; the one before it goes on answering. */
export interface ExactIndexAlert {
  /** A code of the catalogue, or `datastore-empty` for DeepFace's 5-byte list without rows. */
  readonly code: string;
  readonly message: string;
  readonly since: Date;
}

export interface ExactIndexStatus {
  /** `empty`: the datastore is whole and has no rows; `failed`: nothing could be loaded yet. */
  readonly state: 'serving' | 'empty' | 'failed';
  readonly path: string;
  readonly fileSpace: SpaceName | null;
  readonly dimensions: number;
  readonly rows: number;
  /** Rows that are searched: those without a flaw. */
  readonly faces: number;
  readonly persons: number;
  readonly loadedAt: Date | null;
  readonly reloads: number;
  readonly failedReloads: number;
  readonly alert: ExactIndexAlert | null;
}

/** One datastore in memory, searched exactly in a worker thread and loaded anew when its file changes. */
export interface ExactIndex extends AsyncDisposable {
  status(): ExactIndexStatus;
  /** The nearest persons, each with its best face, nearest first. Throws `datastore-not-served`, `embedding-…`. */
  search(
    values: Float32Array,
    options: ExactSearchOptions,
    more?: { signal?: AbortSignal },
  ): Promise<readonly ExactCandidate[]>;
  /** Many probes in one pass over the matrix; answers in the order of the probes. */
  searchBatch(
    probes: readonly { readonly values: Float32Array; readonly exclude?: string | undefined }[],
    options: Omit<ExactSearchOptions, 'exclude'>,
    more?: { signal?: AbortSignal },
  ): Promise<readonly (readonly ExactCandidate[])[]>;
}
