import type { EmbeddingSpace, SpaceName } from '../embedding/space.js';
import type { Mode } from '../gallery/domain.js';
import type { Gallery } from '../gallery/gallery.js';
import type { FaceEngine } from '../inference/engine.js';
import type { PhotoLimits } from '../photo/photo.js';
import type { ModeVariables } from './mode.js';

/** The datastores of a domain held against the database, both ways, as migration does it. */
export interface ValidationCounts {
  readonly ok: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
}

/** What recognition tells whoever keeps the log and the metrics. Never a vector, a photo or a secret. */
export type RecognitionEvent =
  | { readonly kind: 'datastore-alert'; readonly domain: string; readonly reason: string }
  | { readonly kind: 'datastore-loaded'; readonly domain: string; readonly rows: number; readonly seconds: number }
  /** Faces were written to a datastore that was signed: the signature beside it no longer fits, and is left as it is. */
  | { readonly kind: 'signature-stale'; readonly domain: string; readonly signature: string }
  | {
      readonly kind: 'searched';
      readonly domain: string;
      readonly mode: Mode;
      /** Of the answer that the caller gets. */
      readonly milliseconds: number;
    }
  | { readonly kind: 'shadow-dropped'; readonly domain: string; readonly dropped: number }
  | {
      readonly kind: 'shadow-compared';
      readonly domain: string;
      readonly agreed: boolean;
      readonly class: string | null;
    }
  | { readonly kind: 'gallery-unavailable'; readonly reason: string }
  | {
      readonly kind: 'mode-changed';
      readonly domain: string;
      readonly from: string;
      readonly to: string;
      readonly why: string;
    }
  | { readonly kind: 'rolled-back'; readonly domain: string; readonly reason: string };

export interface ShadowOptions {
  /** Share of the searches in dual mode that are compared, 0–1; 1 unless given. */
  readonly sampling: number;
  /** Days for which comparisons are kept; 30 unless given. */
  readonly retentionDays: number;
  /** Comparisons that may be under way or wait to be written; 256 unless given. Further ones are dropped and counted. */
  readonly queue: number;
  /** Milliseconds that the p95 of the gallery may take for a domain to be ready; 100 unless given. */
  readonly latencyBudget: number;
}

export const DEFAULT_SHADOW: ShadowOptions = Object.freeze({
  sampling: 1,
  retentionDays: 30,
  queue: 256,
  latencyBudget: 100,
});

export interface RecognitionOptions {
  /** Opens the gallery. Asked once, and again (at most once a second) while it fails: a start survives a database that is down. */
  readonly gallery: () => Promise<Gallery>;
  /** KITH_STORAGE: folder of domains. */
  readonly storage: string;
  /** KITH_DATA: where the last known modes are kept. */
  readonly data: string;
  readonly variables: ModeVariables;
  /** Margin of a domain that has none of its own, a distance. */
  readonly margin: number;
  /** Opens the engine of a space. Called once per space; the engine is kept and closed with the service. */
  readonly openEngine: (space: SpaceName | EmbeddingSpace) => Promise<FaceEngine>;
  /** The space of the bundled engine: of new domains, and of `verify`, `detect` and `embed` unless told otherwise. */
  readonly bundledSpace: SpaceName;
  readonly photoLimits?: Partial<PhotoLimits>;
  readonly shadow?: Partial<ShadowOptions>;
  /** Migration's validation of a domain: `cutover` asks for it. */
  readonly validate: (domain: string, gallery: Gallery, signal?: AbortSignal) => Promise<ValidationCounts>;
  /** Bring faces that anybody adds to the gallery of a cut-over domain to its datastore, every half minute: a service does. */
  readonly maintain?: boolean;
  readonly onEvent?: (event: RecognitionEvent) => void;
}
