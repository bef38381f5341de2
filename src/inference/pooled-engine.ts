import { availableParallelism } from 'node:os';
import { embedding } from '../embedding/embedding.js';
import type { EmbeddingSpace } from '../embedding/space.js';
import type { DetectedFace } from '../face/face.js';
import type { Photo, Pixels } from '../photo/photo.js';
import type { EmbeddedFace, EngineCall, EngineLoad, EngineView, FaceEngine } from './engine.js';
import type { FaceJob, FaceResult, VectorFace } from './face-pipeline.js';
import { type PoolSettings, WorkerPool } from './pool.js';

/** A worker per core, at most four: a worker holds its own copy of the networks. 64 photos may wait. */
export function defaultPoolSettings(): PoolSettings {
  return { workers: Math.min(4, availableParallelism()), queue: 64 };
}

/**
 * An engine whose pipeline runs in worker threads: `worker` is a file that calls `servePipeline`, `settings` is what
 * its pipeline is opened with. The space is what the first worker's pipeline says.
 */
export async function openPooledEngine(
  worker: URL,
  settings: unknown,
  pool: Partial<PoolSettings> = {},
  view: EngineView | null = null,
): Promise<FaceEngine> {
  const whole = { ...defaultPoolSettings(), ...pool };
  const opened = await WorkerPool.open<FaceJob, FaceResult>(worker, settings, whole);
  return new PooledEngine(Object.freeze(opened.about as EmbeddingSpace), view, photosAtOnce(whole), opened.pool);
}

/** Every worker has its hands full, and the next batch waits. */
const photosAtOnce = ({ workers, queue, batch = 1 }: PoolSettings): number => workers * batch + Math.min(batch, queue);

class PooledEngine implements FaceEngine {
  readonly space: EmbeddingSpace;
  readonly view: EngineView | null;
  readonly photosAtOnce: number;
  readonly #pool: WorkerPool<FaceJob, FaceResult>;

  constructor(
    space: EmbeddingSpace,
    view: EngineView | null,
    photosAtOnce: number,
    pool: WorkerPool<FaceJob, FaceResult>,
  ) {
    this.space = space;
    this.view = view;
    this.photosAtOnce = photosAtOnce;
    this.#pool = pool;
  }

  get load(): EngineLoad {
    return this.#pool.load;
  }

  async detect(photo: Photo, call: EngineCall = {}): Promise<DetectedFace[]> {
    return [...(await this.#run('detect', photo, call))];
  }

  async embed(photo: Photo, call: EngineCall = {}): Promise<EmbeddedFace[]> {
    const faces = (await this.#run('embed', photo, call)) as readonly VectorFace[];
    return faces.map(({ values, ...face }) => ({ ...face, embedding: embedding(values, this.space) }));
  }

  async #run(task: FaceJob['task'], photo: Photo, call: EngineCall): Promise<FaceResult['faces']> {
    const { width, height, pixels } = photo;
    const sent: Pixels = { width, height, pixels: shared(pixels) };
    const { faces, stages } = await this.#pool.run(
      { task, photo: sent },
      { signal: call.signal, bytes: pixels.length },
    );
    call.onStages?.(stages);
    return faces;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }
}

/** Shared memory reaches a worker without a copy and stays readable here; other memory is copied into it once. */
function shared(pixels: Uint8Array): Uint8Array {
  if (pixels.buffer instanceof SharedArrayBuffer) return pixels;
  const copy = new Uint8Array(new SharedArrayBuffer(pixels.length));
  copy.set(pixels);
  return copy;
}
