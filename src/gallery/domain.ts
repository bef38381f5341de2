import type { EmbeddingSpace } from '../embedding/space.js';

export type Mode = 'pkl' | 'dual' | 'pgvector';

/** A space as the database knows it: the table that holds its embeddings. */
export interface StoredSpace {
  readonly id: number;
  /** `face_embeddings` or `face_embeddings_<n>`. */
  readonly table: string;
  /** Null for a taken-over table whose embeddings nobody has declared yet; then only `dimensions` is known. */
  readonly space: EmbeddingSpace | null;
  readonly dimensions: number;
}

/** What is kept per domain; null means "not set: the default counts". */
export interface DomainSettings {
  readonly domain: string;
  readonly mode: Mode | null;
  readonly threshold: number | null;
  /** Distance within which a second person makes the answer ambiguous. */
  readonly margin: number | null;
  readonly efSearch: number | null;
}

export interface Domain extends DomainSettings {
  /** The space that searches of this domain use. */
  readonly stored: StoredSpace;
}

/** What `kith domain set` may change. */
export type DomainChanges = Partial<Omit<DomainSettings, 'domain'>>;

/** Who changed something, and why; kept in the audit table. */
export interface Author {
  readonly who: string;
  readonly why?: string;
}

export interface DomainStats {
  readonly domain: string;
  readonly mode: Mode;
  /** The name of its space, or null while nobody has declared it. */
  readonly space: string | null;
  readonly persons: number;
  readonly faces: number;
  readonly facesPerPerson: number;
}
