import type { ExternalWeights } from '../graph-builder.js';
import { buildArcFace } from '../networks/arcface.js';
import { buildFacenet } from '../networks/facenet.js';
import { buildVggFace } from '../networks/vggface.js';
import { ARCFACE_ORDER, FACENET_ORDER, VGGFACE_ORDER } from '../weights/keras-layer-order.js';
import type { WeightProvider } from '../weights/provider.js';

/** Builds a network's ONNX graph; its weights go into `external` where that is given. */
export type NetworkBuilder = (weights: WeightProvider, external?: ExternalWeights) => Uint8Array;

/** A recognition network of DeepFace's that can be computed here. */
export interface RecognitionModel {
  /** The weights file's name, as DeepFace keeps it. */
  readonly file: string;
  /** Side of the square face that goes in, pixels. */
  readonly side: number;
  readonly dimensions: number;
  readonly build: NetworkBuilder;
  /** Keras' own order of the layers that have weights. */
  readonly order: readonly string[];
}

/** By the model's name as datastores' file names spell it. */
export const RECOGNITION_MODELS: Readonly<Record<string, RecognitionModel>> = {
  arcface: { file: 'arcface_weights.h5', side: 112, dimensions: 512, build: buildArcFace, order: ARCFACE_ORDER },
  facenet512: {
    file: 'facenet512_weights.h5',
    side: 160,
    dimensions: 512,
    build: (weights, external) => buildFacenet(weights, 512, external),
    order: FACENET_ORDER,
  },
  facenet: {
    file: 'facenet_weights.h5',
    side: 160,
    dimensions: 128,
    build: (weights, external) => buildFacenet(weights, 128, external),
    order: FACENET_ORDER,
  },
  vggface: { file: 'vgg_face_weights.h5', side: 224, dimensions: 4096, build: buildVggFace, order: VGGFACE_ORDER },
};
