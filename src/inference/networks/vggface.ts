import { type ExternalWeights, GraphBuilder } from '../graph-builder.js';
import type { WeightProvider } from '../weights/provider.js';
import { KerasLayers } from './keras-layers.js';

const STAGES = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
] as const;

/**
 * DeepFace's VGG-Face up to its 4096-d descriptor (deepface/models/facial_recognition/VGGFace.py, 0.0.100):
 * `face` float32 [n, 3, 224, 224] → `embedding` float32 [n, 4096], of length 1. Keras numbers its layers: `conv2d`, `conv2d_1`, …
 */
export function buildVggFace(weights: WeightProvider, external?: ExternalWeights): Uint8Array {
  const g = new GraphBuilder('vggface', external);
  const layers = new KerasLayers(g, weights);
  let x = g.input('face', 'float32', ['n', 3, 224, 224]);
  let from = 3;
  let number = 0;
  const next = (to: number, size: number, pad: number) => {
    const layer = number === 0 ? 'conv2d' : `conv2d_${number}`;
    number += 1;
    x = layers.relu(layers.convolution(x, layer, { from, to, kernel: [size, size], pad, bias: true }));
    from = to;
  };
  for (const stage of STAGES) {
    for (const channels of stage) next(channels, 3, 1);
    x = layers.maxPool(x, 2, 2);
  }
  next(4096, 7, 0);
  next(4096, 1, 0);
  const flat = g.node('Flatten', [x], { axis: 1 });
  // DeepFace divides by the norm outside of the network (VggFaceClient.forward); its 1e-10 cannot show in float32.
  const length = g.node('ReduceL2', [flat], { axes: [1], keepdims: 1 });
  const unit = g.node('Div', [flat, g.node('Max', [length, g.scalar(1e-10)])]);
  g.output(unit, 'embedding', 'float32', ['n', 4096]);
  return g.build();
}
