import type { ChannelOrder, EmbeddingSpace, SpaceName } from '../../embedding/space.js';
import { isNormalization, type Normalization } from './face-normalize.js';
import { RECOGNITION_MODELS, type RecognitionModel } from './recognition-models.js';
import { type DetectionScale, RETINAFACE_SCALE } from './retinaface-input.js';

/** How faces are found: RetinaFace at a scale, or not at all (`skip`: the whole photo is the face). */
export type FaceFinder = { readonly kind: 'retinaface'; readonly scale: DetectionScale } | { readonly kind: 'skip' };

/** What a space's name asks of the pipeline. */
export interface DeepFaceRecipe {
  readonly model: RecognitionModel;
  readonly finder: FaceFinder;
  readonly aligned: boolean;
  readonly normalization: Normalization;
  readonly expand: number;
  readonly channelOrder: ChannelOrder;
}

/** The part of a space that is wanted: a name, and the channel order where it is known (DeepFace's galleries are BGR). */
export type WantedSpace = SpaceName & { readonly channelOrder?: ChannelOrder | null };

/**
 * What has to be done for a space, or which part of it cannot be.
 * A detector `retinaface640` is RetinaFace with the photo's shorter side scaled to 640 instead of 1024.
 */
export function deepFaceRecipe(space: WantedSpace): DeepFaceRecipe | { readonly cannot: string } {
  const model = RECOGNITION_MODELS[space.model];
  if (model === undefined) return { cannot: `the model ${space.model}` };
  const finder = finderOf(space.detector);
  if (finder === null) return { cannot: `the detector ${space.detector ?? 'unknown'}` };
  if (space.aligned === null) return { cannot: 'an unknown alignment' };
  if (space.normalization === null || !isNormalization(space.normalization))
    return { cannot: `the normalization ${space.normalization ?? 'unknown'}` };
  if (space.expand === null) return { cannot: 'an unknown expand percentage' };
  const { aligned, normalization, expand } = space;
  return { model, finder, aligned, normalization, expand, channelOrder: space.channelOrder ?? 'bgr' };
}

const DETECTOR = /^retinaface(?<side>[1-9]\d{1,3})?$/;

function finderOf(detector: string | null): FaceFinder | null {
  if (detector === 'skip') return { kind: 'skip' };
  const match = detector === null ? null : DETECTOR.exec(detector);
  if (match === null) return null;
  const side = match.groups?.side;
  if (side === undefined) return { kind: 'retinaface', scale: RETINAFACE_SCALE };
  const { shortest, longest } = RETINAFACE_SCALE;
  return {
    kind: 'retinaface',
    scale: { shortest: Number(side), longest: Math.round((Number(side) * longest) / shortest) },
  };
}

/** The whole space, once the weights are at hand. */
export function deepFaceSpace(
  wanted: WantedSpace,
  recipe: DeepFaceRecipe,
  weightsSha256: string | null,
  producer: string,
): EmbeddingSpace {
  const { model, detector, aligned, normalization, expand } = wanted;
  return {
    model,
    detector,
    aligned,
    normalization,
    expand,
    dimensions: recipe.model.dimensions,
    metric: 'cosine',
    channelOrder: recipe.channelOrder,
    weightsSha256,
    producer,
  };
}
