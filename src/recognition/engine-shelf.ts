import { type EmbeddingSpace, type SpaceName, spaceName } from '../embedding/space.js';
import type { FaceEngine } from '../inference/engine.js';

/**
 * The face engines in use, one per space, opened when first asked for and kept. An engine that did not open
 * (`space-not-computed`, missing weights) is tried again at the next call: the weights may have come by then.
 */
export class EngineShelf implements AsyncDisposable {
  readonly #open: (space: SpaceName | EmbeddingSpace) => Promise<FaceEngine>;
  readonly #bundled: SpaceName;
  readonly #engines = new Map<string, Promise<FaceEngine>>();

  constructor(open: (space: SpaceName | EmbeddingSpace) => Promise<FaceEngine>, bundled: SpaceName) {
    this.#open = open;
    this.#bundled = bundled;
  }

  get(space: SpaceName | EmbeddingSpace): Promise<FaceEngine> {
    const key = this.#key(space);
    const kept = this.#engines.get(key);
    if (kept !== undefined) return kept;
    const opening = this.#open(space);
    this.#engines.set(key, opening);
    opening.catch(() => this.#engines.delete(key));
    return opening;
  }

  /** The engine that computes a space with its colour channels the other way round; null when there is none. */
  async otherOrder(space: EmbeddingSpace): Promise<FaceEngine | null> {
    if (space.channelOrder === null || space.model === this.#bundled.model) return null;
    const wanted: EmbeddingSpace = {
      ...space,
      channelOrder: space.channelOrder === 'bgr' ? 'rgb' : 'bgr',
      weightsSha256: null,
    };
    const key = `${spaceName(space)} as ${wanted.channelOrder}`;
    const opening = this.#engines.get(key) ?? this.#open(wanted);
    this.#engines.set(key, opening);
    opening.catch(() => this.#engines.delete(key));
    const engine = await opening;
    return engine.space.channelOrder === wanted.channelOrder ? engine : null;
  }

  /** The bundled engine has one order; of the others `rgb` is the exception, and unknown means what DeepFace's galleries have. */
  #key(space: SpaceName | EmbeddingSpace): string {
    const exception =
      'channelOrder' in space && space.channelOrder === 'rgb' && space.model !== this.#bundled.model ? ' rgb' : '';
    return `${spaceName(space)}${exception}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled(this.#engines.values());
    this.#engines.clear();
    await Promise.all(
      opened.map((engine) => (engine.status === 'fulfilled' ? engine.value[Symbol.asyncDispose]() : undefined)),
    );
  }
}
