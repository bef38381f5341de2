import { availableParallelism } from 'node:os';
import { type EmbeddingSpace, type SpaceName, spaceName } from '../embedding/space.js';
import { KithError } from '../errors.js';
import { openBundledEngine } from './bundled-engine.js';
import type { DeepFaceSettings } from './deepface/deepface-opening.js';
import { requireRecipe } from './deepface/deepface-opening.js';
import type { DeepFaceRecipe, WantedSpace } from './deepface/deepface-space.js';
import type { FaceEngine } from './engine.js';
import { facesPerRunOn, photosPerJob } from './face-batch.js';
import { type InsightFacePack, insightFacePack, SCRFD } from './insightface/insightface-packs.js';
import { openInsightFaceEngine } from './insightface-engine.js';
import { findModelFile, requireModel } from './models.js';
import type { PoolSettings } from './pool.js';
import { openPooledEngine } from './pooled-engine.js';
import type { SessionSettings } from './session.js';

export interface EngineOptions extends Partial<PoolSettings>, SessionSettings {
  /** Folders with weights, in the order they are looked in (`modelFolders` of config/). */
  readonly models: readonly string[];
  /** Most faces that go through the recognition network in one run: 1 or 8 on cpu, 32 elsewhere. */
  readonly facesPerRun?: number;
}

/** The part of a space that says how it is computed; an {@link EmbeddingSpace} will do. */
export type { WantedSpace };

/**
 * Opens the engine that computes a space: the bundled one, DeepFace's models from the user's own weight files, or an
 * InsightFace pack of the user's.
 * A wanted `channelOrder` of `rgb` gives the query vectors of `DeepFace.find` 0.0.94–0.0.100 instead of the gallery's
 * (`bgr`): for comparison only, its space says so and does not compare with the gallery's.
 * Throws `space-not-computed`, naming the space and what would be needed, and the faults of the weights (`weights-*`).
 *
 * @example
 * await using engine = await openEngine(parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'), {
 *   models: ['/models'],
 * });
 */
export function openEngine(
  wanted: WantedSpace | SpaceName | EmbeddingSpace,
  options: EngineOptions,
): Promise<FaceEngine> {
  const { models, ...rest } = options;
  const name = spaceName(wanted);
  if (wanted.model === 'faceapi') return requireSame(name, openBundledEngine(rest));
  const pack = insightFacePack(wanted.model);
  if (pack !== undefined && wanted.detector === SCRFD) return requireSame(name, openPack(name, pack, options));
  return openDeepFaceEngine(wanted, options);
}

/** An engine computes one space; another detector or normalization of its model would be another one. */
async function requireSame(wanted: string, opening: Promise<FaceEngine>): Promise<FaceEngine> {
  const engine = await opening;
  const computed = spaceName(engine.space);
  if (computed === wanted) return engine;
  await engine[Symbol.asyncDispose]();
  throw new KithError('space-not-computed', {
    space: wanted,
    why: `its model is computed as ${computed} only`,
    needed: 'enrol the photos again in that space, or search by embedding',
  });
}

async function openPack(name: string, pack: InsightFacePack, options: EngineOptions): Promise<FaceEngine> {
  try {
    return await openInsightFaceEngine(pack, options);
  } catch (error) {
    if (!(error instanceof KithError) || error.code !== 'weights-missing') throw error;
    const needed = `put ${pack.detector} and ${pack.recognition} of InsightFace's pack ${pack.name} into ${places(options)}`;
    throw new KithError('space-not-computed', { space: name, why: 'its model files are not there', needed });
  }
}

const places = ({ models }: EngineOptions): string => models.join(' or ');

async function openDeepFaceEngine(wanted: WantedSpace, options: EngineOptions): Promise<FaceEngine> {
  const recipe = requireRecipe(wanted);
  const { models, device = 'cpu', threads = Math.min(THREADS, availableParallelism()), ...rest } = options;
  const { facesPerRun = facesPerRunOn(device, FACES_PER_RUN), ...pool } = rest;
  const settings: DeepFaceSettings = {
    wanted: plain(wanted),
    recognitionFile: await requireFile(wanted, recipe.model.file, models),
    detectorFile: await detectorFile(wanted, recipe, models),
    session: { device, threads },
    facesPerRun,
  };
  const defaults = { workers: defaultWorkers(threads), batch: photosPerJob(device) };
  return openPooledEngine(new URL('./deepface/deepface-worker.js', import.meta.url), settings, {
    ...defaults,
    ...pool,
  });
}

// One photo's RetinaFace takes over a second on one core, so a worker may use several.
const THREADS = 4;

// On a processor several at once gain nothing, and memory stays at the largest run seen.
const FACES_PER_RUN = 1;

// Each worker holds its own copy of a quarter of a gigabyte of weights.
const defaultWorkers = (threads: number): number =>
  Math.max(1, Math.min(4, Math.floor(availableParallelism() / threads)));

const plain = ({ model, detector, aligned, normalization, expand, channelOrder }: WantedSpace): WantedSpace => ({
  model,
  detector,
  aligned,
  normalization,
  expand,
  channelOrder: channelOrder ?? null,
});

function detectorFile(space: SpaceName, recipe: DeepFaceRecipe, folders: readonly string[]): Promise<string | null> {
  return recipe.finder.kind === 'skip'
    ? Promise.resolve(null)
    : requireFile(space, requireModel('retinaface').file, folders);
}

async function requireFile(space: SpaceName, file: string, folders: readonly string[]): Promise<string> {
  const found = await findModelFile(file, folders);
  if (found !== null) return found;
  throw new KithError('space-not-computed', {
    space: spaceName(space),
    why: `its weights ${file} are not there`,
    needed: `put ${file} into ${folders.join(' or ')}, or pull it with kith models pull ${file}`,
  });
}
