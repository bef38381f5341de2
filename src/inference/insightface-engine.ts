import type { FaceEngine } from './engine.js';
import { facesPerRunOn, photosPerJob } from './face-batch.js';
import { findPackFiles, type InsightFacePack } from './insightface/insightface-packs.js';
import type { InsightFaceSettings } from './insightface/insightface-pipeline.js';
import type { PoolSettings } from './pool.js';
import { openPooledEngine } from './pooled-engine.js';
import type { SessionSettings } from './session.js';

export interface InsightFaceOptions extends Partial<PoolSettings>, SessionSettings {
  /** Folders to look in for the pack's two files, in this order. */
  readonly models: readonly string[];
  /** Most faces that go through the recognition model in one run: 8 on cpu, 32 elsewhere. */
  readonly facesPerRun?: number;
}

// On a processor: memory stays at the largest run seen.
const FACES_PER_RUN = 8;

/**
 * An engine from an InsightFace model pack in the user's own folder: SCRFD at 640, five-point alignment, 512-d.
 * Its space is `model_<pack>_detector_scrfd_aligned_normalization_base_expand_0`. The packs' licence allows research
 * only unless bought; Kith neither ships nor fetches them.
 * Throws `weights-missing` when a file is not there, `inference-model` when one is not what its name says.
 *
 * @example await using engine = await openInsightFaceEngine(insightFacePack('buffalo_l')!, { models: ['/models'] });
 */
export async function openInsightFaceEngine(pack: InsightFacePack, options: InsightFaceOptions): Promise<FaceEngine> {
  const { models, device = 'cpu', threads = 1, ...rest } = options;
  const { facesPerRun = facesPerRunOn(device, FACES_PER_RUN), ...pool } = rest;
  const files = await findPackFiles(pack, models);
  const settings: InsightFaceSettings = { pack: pack.name, ...files, device, threads, facesPerRun };
  const worker = new URL('./insightface/insightface-worker.js', import.meta.url);
  return openPooledEngine(worker, settings, { batch: photosPerJob(device), ...pool });
}
