import type { EngineView, FaceEngine } from './engine.js';
import type { FaceApiSettings } from './faceapi/faceapi-pipeline.js';
import type { PoolSettings } from './pool.js';
import { openPooledEngine } from './pooled-engine.js';

export type BundledEngineOptions = Partial<PoolSettings> & Partial<FaceApiSettings>;

// The detector sees 512 pixels and the recognition net 150; the photo keeps three times that, so that most faces of a
// phone's photo still have their 150.
const VIEW: EngineView = { photo: 1536, face: 150 };

/**
 * The engine that needs no weights of the user's: face-api's detector (SSD MobileNet v1), 68 landmarks and 128-d
 * recognition net, out of the npm package `@vladmandic/face-api`, in worker threads.
 * Options and defaults: `workers` one per core, at most 4; `queue` 64 photos; `threads` 1 per worker; `device` cpu;
 * `minConfidence` 0.5, as face-api. Throws `inference-device` when the device is not there, `weights-*` when the
 * package is damaged.
 *
 * @example
 * await using engine = await openBundledEngine();
 * const faces = await engine.embed(await decodePhoto(await readFile('face.jpg')));
 */
export function openBundledEngine(options: BundledEngineOptions = {}): Promise<FaceEngine> {
  const { minConfidence = 0.5, device = 'cpu', threads = 1, ...pool } = options;
  const settings: FaceApiSettings = { minConfidence, device, threads };
  return openPooledEngine(new URL('./faceapi/faceapi-worker.js', import.meta.url), settings, pool, VIEW);
}
