import { KithError } from '../errors.js';

export type Metric = 'cosine' | 'euclidean' | 'euclidean_l2' | 'angular';
export type ChannelOrder = 'bgr' | 'rgb';

/**
 * What makes two embeddings comparable. `null` means unknown: the source (an old file name, a table filled by hand)
 * did not say. Models and detectors are spelt as in DeepFace's file names: lower case, no `-` (`arcface`, `retinaface`).
 */
export interface EmbeddingSpace {
  readonly model: string;
  readonly detector: string | null;
  readonly aligned: boolean | null;
  readonly normalization: string | null;
  /** Percentage by which the face's box is widened before the crop. */
  readonly expand: number | null;
  readonly dimensions: number;
  /** The metric that searches use. */
  readonly metric: Metric;
  readonly channelOrder: ChannelOrder | null;
  /** SHA-256 (hex) of the weights file. */
  readonly weightsSha256: string | null;
  /** Program and version that computed the embeddings, such as `deepface 0.0.100`. */
  readonly producer: string | null;
}

/** The part of a space that a DeepFace datastore's file name spells. */
export type SpaceName = Pick<EmbeddingSpace, 'model' | 'detector' | 'aligned' | 'normalization' | 'expand'>;

const part = (value: string | number | null): string => (value === null ? 'unknown' : String(value));

/** `model_arcface_detector_retinaface_aligned_normalization_base_expand_0`; an unknown part reads `unknown`. */
export function spaceName(space: SpaceName): string {
  const alignment = space.aligned === null ? 'unknown' : space.aligned ? 'aligned' : 'unaligned';
  return `model_${space.model}_detector_${part(space.detector)}_${alignment}_normalization_${part(space.normalization)}_expand_${part(space.expand)}`;
}

// A model may hold "_" (model_buffalo_l_detector_…), so the name is read by its anchors.
const SPACE_NAME =
  /^model_(?<model>.+)_detector_(?<detector>.+)_(?<alignment>aligned|unaligned|unknown)_normalization_(?<normalization>.+)_expand_(?<expand>\d+|unknown)$/;

/** Reads a name written by {@link spaceName} or by DeepFace. Throws `space-name`. */
export function parseSpaceName(name: string): SpaceName {
  const groups = SPACE_NAME.exec(name)?.groups;
  if (groups === undefined) throw new KithError('space-name', { given: name });
  const known = (text: string | undefined): string | null => (text === undefined || text === 'unknown' ? null : text);
  const expand = known(groups.expand);
  return {
    model: groups.model ?? '',
    detector: known(groups.detector),
    aligned: groups.alignment === 'unknown' ? null : groups.alignment === 'aligned',
    normalization: known(groups.normalization),
    expand: expand === null ? null : Number(expand),
  };
}

/** A space with everything that the name does not say left unknown, and cosine as its metric. */
export function spaceFromName(name: SpaceName, dimensions: number): EmbeddingSpace {
  return { ...name, dimensions, metric: 'cosine', channelOrder: null, weightsSha256: null, producer: null };
}

/**
 * Why two spaces cannot be compared, or `null` when they can.
 * The parts of the name and the dimensions must be equal, unknown equal only to unknown: comparing is never a guess.
 * Channel order and weights speak against only when both sides know theirs; the producer never does.
 */
export function whyNotComparable(left: EmbeddingSpace, right: EmbeddingSpace): string | null {
  for (const key of ['model', 'detector', 'aligned', 'normalization', 'expand', 'dimensions'] as const)
    if (left[key] !== right[key])
      return `${key} ${part(left[key] as string | number | null)} against ${part(right[key] as string | number | null)}`;
  for (const key of ['channelOrder', 'weightsSha256'] as const)
    if (left[key] !== null && right[key] !== null && left[key] !== right[key]) return `${key} differs`;
  return null;
}

/** Throws `space-mismatch`, naming both spaces, when they cannot be compared. */
export function assertComparable(left: EmbeddingSpace, right: EmbeddingSpace): void {
  const why = whyNotComparable(left, right);
  if (why !== null) throw new KithError('space-mismatch', { left: spaceName(left), right: spaceName(right), why });
}
