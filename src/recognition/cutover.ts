import type { Author } from '../gallery/domain.js';
import type { ShadowReport } from './shadow-report.js';

export interface CutoverRequest {
  readonly domain: string;
  readonly author: Author;
  /** Minutes for which the running services watch the domain after the switch; 15 unless given. */
  readonly watchMinutes?: number;
  /** Share of failed gallery searches above which they roll back by themselves; 0.02 unless given. */
  readonly maxErrorRate?: number;
  /** Share of searches that the gallery answers with nobody where the datastore finds somebody; 0.02 unless given. */
  readonly maxEmptyRate?: number;
  /** Switch although the verdict is not ready. `author.why` is needed and recorded. */
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The JSON of `kith cutover`. */
export interface CutoverReport {
  readonly domain: string;
  readonly mode: 'pgvector';
  /** When the services stop watching, ISO 8601. */
  readonly watchUntil: string;
  readonly forced: boolean;
  /** What spoke against it, when it was forced. */
  readonly reasons: readonly string[];
  /** Null for a domain that never had a datastore: there is nothing to compare with. */
  readonly report: ShadowReport | null;
}

/** The JSON of `kith rollback`. */
export interface RollbackReport {
  readonly domain: string;
  readonly mode: 'pkl' | 'dual';
  /** Faces that were added to the gallery since the cutover and have now been written to the datastore. */
  readonly writtenThrough: number;
  /** The signature beside the datastore, when that was written to: it no longer fits. Left as it is. */
  readonly staleSignature: string | null;
  /** Whether the gallery could be read for that; otherwise it is done when the database is back. */
  readonly complete: boolean;
}
