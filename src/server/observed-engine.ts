import { spaceName } from '../embedding/space.js';
import type { DetectedFace } from '../face/face.js';
import type { EmbeddedFace, EngineCall, EngineLoad, EngineView, FaceEngine } from '../inference/engine.js';
import type { Photo } from '../photo/photo.js';

/** Told of each photo how long its faces took to be found, and to be embedded, in milliseconds. */
export type ObserveStages = (space: string, stages: { readonly detect: number; readonly embed: number }) => void;

const FINDING = ['resize', 'detect', 'decode'];

/** An engine whose times are told to somebody. Owns the engine that it wraps. */
export class ObservedEngine implements FaceEngine {
  readonly #engine: FaceEngine;
  readonly #observe: ObserveStages;

  constructor(engine: FaceEngine, observe: ObserveStages) {
    this.#engine = engine;
    this.#observe = observe;
  }

  get space(): FaceEngine['space'] {
    return this.#engine.space;
  }

  get load(): EngineLoad {
    return this.#engine.load;
  }

  get view(): EngineView | null {
    return this.#engine.view;
  }

  get photosAtOnce(): number {
    return this.#engine.photosAtOnce;
  }

  detect(photo: Photo, call: EngineCall = {}): Promise<DetectedFace[]> {
    return this.#engine.detect(photo, this.#told(call));
  }

  embed(photo: Photo, call: EngineCall = {}): Promise<EmbeddedFace[]> {
    return this.#engine.embed(photo, this.#told(call));
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#engine[Symbol.asyncDispose]();
  }

  #told(call: EngineCall): EngineCall {
    return {
      ...call,
      onStages: (stages) => {
        const sum = (wanted: boolean): number =>
          Object.entries(stages).reduce(
            (total, [stage, time]) => (FINDING.includes(stage) === wanted ? total + time : total),
            0,
          );
        this.#observe(spaceName(this.space), { detect: sum(true), embed: sum(false) });
        call.onStages?.(stages);
      },
    };
  }
}
