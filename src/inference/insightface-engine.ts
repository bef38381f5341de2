import type { FaceEngine } from './engine.js';
import { findPackFiles, type InsightFacePack } from './insightface/insightface-packs.js';
import type { InsightFaceSettings } from './insightface/insightface-pipeline.js';
import type { PoolSettings } from './pool.js';
import { openPooledEngine } from './pooled-engine.js';
import type { SessionSettings } from './session.js';

export interface InsightFaceOptions extends Partial<PoolSettings>, SessionSettings {
  /** Folders to look in for the pack's two files, in this order. */
  readonly models: readonly string[];
}

/**
 * An engine from an InsightFace model pack in the user's own folder: SCRFD at 640, five-point alignment, 512-d.
 * Its space is `model_<pack>_detector_scrfd_aligned_normalization_base_expand_0`. The packs' licence allows research
 * only unless bought; Kith neither ships nor fetches them.
 * Throws `weights-missing` when a file is not there, `inference-model` when one is not what its name says.
 *
 * @example await using engine = await openInsightFaceEngine(insightFacePack('buffalo_l')!, { models: ['/models'] });
 */
export async function openInsightFaceEngine(pack: InsightFacePack, options: InsightFaceOptions): Promise<FaceEngine> {
  const { models, device = 'cpu', threads = 1, ...pool } = options;
  const settings: InsightFaceSettings = { pack: pack.name, ...(await findPackFiles(pack, models)), device, threads };
  return openPooledEngine(new URL('./insightface/insightface-worker.js', import.meta.url), settings, pool);
}
