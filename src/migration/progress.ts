/** Where a migration stands, told as it goes. */
export type MigrationPhase = 'waiting' | 'reading' | 'comparing' | 'writing' | 'indexing' | 'validating' | 'exporting';

export interface MigrationProgress {
  readonly domain: string;
  readonly space: string;
  readonly phase: MigrationPhase;
  /** Rows of this phase that are done. */
  readonly done: number;
  /** Rows of this phase in all; while a datastore is being read, estimated from its bytes; null when nobody knows. */
  readonly total: number | null;
  /** Rows a second in this phase; 0 until it can be told. */
  readonly rate: number;
  readonly secondsLeft: number | null;
}

export type ProgressListener = (progress: MigrationProgress) => void;
