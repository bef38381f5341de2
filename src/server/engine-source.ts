import { modelFolders } from '../config/model-folders.js';
import type { Config } from '../config/schema.js';
import { type EmbeddingSpace, parseSpaceName, type SpaceName, spaceName } from '../embedding/space.js';
import type { EngineLoad, FaceEngine } from '../inference/engine.js';
import { ObservedEngine, type ObserveStages } from './observed-engine.js';

/** The space of the engine that needs no weights of the user's. */
export const BUNDLED_SPACE = parseSpaceName(
  'model_faceapi_detector_ssdmobilenetv1_aligned_normalization_base_expand_0',
);

type AnySpace = SpaceName | EmbeddingSpace;

/** Opens engines as the configuration says; the bundled one may be opened ahead of its first use. */
export class EngineSource implements AsyncDisposable {
  readonly #config: Config;
  /** Opened and not handed out yet: still this source's to close. */
  #warm: Promise<FaceEngine> | null = null;
  #bundled: FaceEngine | null = null;

  /** Every engine that was opened here, for its load. */
  readonly #opened = new Set<FaceEngine>();
  readonly #observe: ObserveStages;

  constructor(config: Config, observe: ObserveStages = () => undefined) {
    this.#config = config;
    this.#observe = observe;
  }

  /** Photos in hand and waiting, over every engine that was opened. */
  get load(): EngineLoad {
    const sum = { workers: 0, running: 0, waiting: 0 };
    for (const { load } of this.#opened) {
      sum.workers += load.workers;
      sum.running += load.running;
      sum.waiting += load.waiting;
    }
    return sum;
  }

  /** An engine of the space; the caller owns it. Throws `space-not-computed`. */
  async open(space: AnySpace): Promise<FaceEngine> {
    if (spaceName(space) !== spaceName(BUNDLED_SPACE)) return this.#openOther(space);
    const warm = this.#warm ?? this.#openBundled();
    this.#warm = null;
    this.#bundled = await warm;
    return this.#bundled;
  }

  /** Opens the bundled engine now, so that the first photo does not wait for it. Throws when it cannot work. */
  async warm(): Promise<void> {
    if (this.#bundled !== null) return;
    this.#warm ??= this.#openBundled();
    await this.#warm;
  }

  /** How many photos the bundled engine computes and keeps waiting; null before it is open. */
  async bundled(): Promise<FaceEngine | null> {
    return this.#bundled ?? this.#warm;
  }

  async #openBundled(): Promise<FaceEngine> {
    const { openBundledEngine } = await import('../inference/bundled-engine.js');
    return this.#observed(await openBundledEngine(this.#pool()));
  }

  async #openOther(space: AnySpace): Promise<FaceEngine> {
    const { openEngine } = await import('../inference/engines.js');
    return this.#observed(await openEngine(space, { models: modelFolders(this.#config), ...this.#pool() }));
  }

  #observed(engine: FaceEngine): FaceEngine {
    const observed = new ObservedEngine(engine, this.#observe);
    this.#opened.add(observed);
    return observed;
  }

  #pool(): { workers?: number; queue: number; device: Config['device'] } {
    const { workers, queue, device } = this.#config;
    return { queue, device, ...(workers === 0 ? {} : { workers }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const engine = await this.#warm?.catch(() => null);
    this.#warm = null;
    await engine?.[Symbol.asyncDispose]();
  }
}
