import type { ExactCriteria, ExactProbe } from './exact-faces.js';
import type { ExactCandidate } from './exact-index.js';

/** What the main thread asks of the search thread. An answer carries the request's number. */
export type ExactRequest =
  | { readonly kind: 'load'; readonly index: number; readonly path: string; readonly dimensions: number | null }
  | {
      readonly kind: 'search';
      readonly index: number;
      readonly probes: readonly ExactProbe[];
      readonly criteria: ExactCriteria;
    }
  | { readonly kind: 'cancel'; readonly request: number }
  | { readonly kind: 'unload'; readonly index: number };

/** What a load found. With no rows, nothing was replaced. */
export interface LoadedFaces {
  /** The state of the file that was read. */
  readonly key: string;
  readonly rows: number;
  readonly faces: number;
  readonly persons: number;
  readonly dimensions: number;
}

/** Why a request failed. */
export interface ExactFault {
  readonly code: string;
  readonly message: string;
}

export type ExactAnswer =
  | { readonly kind: 'loaded'; readonly loaded: LoadedFaces }
  | { readonly kind: 'found'; readonly found: readonly (readonly ExactCandidate[])[] }
  | { readonly kind: 'done' }
  | { readonly kind: 'fault'; readonly fault: ExactFault };

export interface Numbered<T> {
  readonly request: number;
  readonly content: T;
}
