import type { Embedding } from '../embedding/embedding.js';
import type { EmbeddingSpace } from '../embedding/space.js';
import type { DetectedFace } from '../face/face.js';
import type { Photo } from '../photo/photo.js';

export interface EmbeddedFace extends DetectedFace {
  readonly embedding: Embedding;
}

export interface EngineCall {
  /** Aborting takes a waiting photo off the queue; one already in a worker is computed and its result dropped. */
  readonly signal?: AbortSignal | undefined;
  /** Told how many milliseconds each stage took in the worker, when the faces are there. */
  readonly onStages?: ((stages: Readonly<Record<string, number>>) => void) | undefined;
}

/** How many pixels an engine can make use of. */
export interface EngineView {
  /** Longer side of a photo, above which faces are found no better. */
  readonly photo: number;
  /** Shorter side of a face, above which it is embedded no better. */
  readonly face: number;
}

/** How busy an engine is, for metrics. */
export interface EngineLoad {
  readonly workers: number;
  /** Photos that workers have in hand. */
  readonly running: number;
  /** Photos in the queue. */
  readonly waiting: number;
}

/**
 * Finds and embeds faces, off the main thread. Faces come in the detector's order, best score first; a photo without
 * a face gives an empty list. Throws `inference-busy` when the queue is full.
 */
export interface FaceEngine extends AsyncDisposable {
  readonly space: EmbeddingSpace;
  readonly load: EngineLoad;
  /** `null`: it is to be given every photo whole, because its results depend on the photo's own size. */
  readonly view: EngineView | null;
  /** Photos that a bulk run keeps in flight, so that no worker waits and those on a device get full batches. */
  readonly photosAtOnce: number;
  detect(photo: Photo, call?: EngineCall): Promise<DetectedFace[]>;
  embed(photo: Photo, call?: EngineCall): Promise<EmbeddedFace[]>;
}
