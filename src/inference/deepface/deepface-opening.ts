import { spaceName } from '../../embedding/space.js';
import { KithError } from '../../errors.js';
import type { FacePipeline } from '../face-pipeline.js';
import { sha256OfFile } from '../file-hash.js';
import { PRODUCER } from '../producer.js';
import type { SessionSettings } from '../session.js';
import { DeepFacePipeline } from './deepface-pipeline.js';
import { type DeepFaceRecipe, deepFaceRecipe, deepFaceSpace, type WantedSpace } from './deepface-space.js';
import { openNetwork } from './network-session.js';

/** What a worker of a DeepFace engine opens: plain data. */
export interface DeepFaceSettings {
  readonly wanted: WantedSpace;
  readonly recognitionFile: string;
  /** `null` where the space needs no detector. */
  readonly detectorFile: string | null;
  readonly session: SessionSettings;
  /** Most faces that go through the recognition network in one run. */
  readonly facesPerRun: number;
}

/** The recipe of a space that is known to be computable. Throws `space-not-computed`. */
export function requireRecipe(wanted: WantedSpace): DeepFaceRecipe {
  const recipe = deepFaceRecipe(wanted);
  if ('cannot' in recipe)
    throw new KithError('space-not-computed', {
      space: spaceName(wanted),
      why: `${recipe.cannot} is not computed by any engine here`,
      needed: 'what can be computed: kith models list; a datastore of another space still serves searches by embedding',
    });
  return recipe;
}

/** Opens the networks on the calling thread, one after the other, so that only one file is in memory at a time. Meant for a worker. */
export async function openDeepFacePipeline(settings: DeepFaceSettings): Promise<FacePipeline> {
  const { wanted, recognitionFile, detectorFile, session } = settings;
  const recipe = requireRecipe(wanted);
  const sha256 = await sha256OfFile(recognitionFile);
  const recognition = await openNetwork({ network: wanted.model, weights: recognitionFile }, session);
  const detector =
    detectorFile === null
      ? null
      : await openNetwork({ network: 'retinaface', weights: detectorFile }, { ...session, ...DETECTOR_SESSION });
  const space = deepFaceSpace(wanted, recipe, sha256, PRODUCER);
  return new DeepFacePipeline(space, recipe, { recognition, detector }, settings.facesPerRun);
}

// Every photo has its own shape: plans of the memory would pile up and never be used again.
const DETECTOR_SESSION: SessionSettings = { memoryPlan: false };
