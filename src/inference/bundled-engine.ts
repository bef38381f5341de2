import type { EngineView, FaceEngine } from './engine.js';
import { facesPerRunOn, photosPerJob } from './face-batch.js';
import type { FaceApiSettings } from './faceapi/faceapi-pipeline.js';
import type { PoolSettings } from './pool.js';
import { openPooledEngine } from './pooled-engine.js';

export type BundledEngineOptions = Partial<PoolSettings> & Partial<FaceApiSettings>;

// The detector sees 512 pixels and the recognition net 150; the photo keeps three times that, so that most faces of a
// phone's photo still have their 150.
const VIEW: EngineView = { photo: 1536, face: 150 };

// On a processor: memory stays at the largest run seen, and more at once gains nothing.
const FACES_PER_RUN = 8;

/**
 * The engine that needs no weights of the user's: face-api's detector (SSD MobileNet v1), 68 landmarks and 128-d
 * recognition net, out of the npm package `@vladmandic/face-api`, in worker threads.
 * Options and defaults: `workers` one per core, at most 4; `queue` 64 photos; `threads` 1 per worker; `device` cpu;
 * `minConfidence` 0.5, as face-api; `batch` 1 photo, 16 on a device other than cpu; `facesPerRun` 8 faces, 32 there.
 * Throws `inference-device` when the device is not there, `weights-*` when the package is damaged.
 *
 * @example
 * await using engine = await openBundledEngine();
 * const faces = await engine.embed(await decodePhoto(await readFile('face.jpg')));
 */
export function openBundledEngine(options: BundledEngineOptions = {}): Promise<FaceEngine> {
  const { minConfidence = 0.5, device = 'cpu', threads = 1, ...rest } = options;
  const { facesPerRun = facesPerRunOn(device, FACES_PER_RUN), ...pool } = rest;
  const settings: FaceApiSettings = { minConfidence, device, threads, facesPerRun };
  const worker = new URL('./faceapi/faceapi-worker.js', import.meta.url);
  return openPooledEngine(worker, settings, { batch: photosPerJob(device), ...pool }, VIEW);
}
