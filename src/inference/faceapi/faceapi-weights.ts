import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import path from 'node:path';
import { readManifestWeights } from '../weights/manifest.js';
import type { WeightKind, WeightProvider } from '../weights/provider.js';

export interface FaceApiWeights {
  readonly detector: WeightProvider;
  readonly landmarks: WeightProvider;
  readonly recognition: WeightProvider;
  /** SHA-256 of the recognition net's weights file, hex. */
  readonly sha256: string;
}

// How each net's manifest spells the kinds of weights; a kind that a net does not have is not listed.
const DETECTOR: Partial<Record<WeightKind, string>> = {
  kernel: 'weights',
  bias: 'biases',
  offset: 'convolution_bn_offset',
  depthwise: 'depthwise_weights',
  gamma: 'BatchNorm/gamma',
  beta: 'BatchNorm/beta',
  mean: 'BatchNorm/moving_mean',
  variance: 'BatchNorm/moving_variance',
};
const LANDMARKS: Partial<Record<WeightKind, string>> = {
  kernel: 'filters',
  bias: 'bias',
  depthwise: 'depthwise_filter',
  pointwise: 'pointwise_filter',
};
const RECOGNITION: Partial<Record<WeightKind, string>> = {
  kernel: 'conv/filters',
  bias: 'conv/bias',
  scale: 'scale/weights',
  offset: 'scale/biases',
};

const spelling =
  (kinds: Partial<Record<WeightKind, string>>) =>
  (layer: string, kind: WeightKind): string =>
    kind === 'constant' ? layer : `${layer}/${kinds[kind] ?? kind}`;

const landmarkSpelling = (layer: string, kind: WeightKind): string =>
  layer === 'fc' && kind === 'kernel' ? 'fc/weights' : spelling(LANDMARKS)(layer, kind);

/** The weights inside the npm package `@vladmandic/face-api`. Throws `weights-missing`, `-damaged`, `-layer`, `-shape`. */
export async function readFaceApiWeights(): Promise<FaceApiWeights> {
  const folder = path.join(
    path.dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
    'model',
  );
  const read = (model: string, nameOf: (layer: string, kind: WeightKind) => string) =>
    readManifestWeights(path.join(folder, `${model}_model-weights_manifest.json`), nameOf);
  const [detector, landmarks, recognition] = await Promise.all([
    read('ssd_mobilenetv1', spelling(DETECTOR)),
    read('face_landmark_68', landmarkSpelling),
    read('face_recognition', spelling(RECOGNITION)),
  ]);
  return {
    detector: detector.provider,
    landmarks: landmarks.provider,
    recognition: recognition.provider,
    sha256: createHash('sha256').update(recognition.bytes).digest('hex'),
  };
}
