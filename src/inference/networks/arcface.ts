import { type ExternalWeights, GraphBuilder, type Value } from '../graph-builder.js';
import type { WeightProvider } from '../weights/provider.js';
import { KerasLayers } from './keras-layers.js';

const EPSILON = 2e-5;
const STAGES = [
  { name: 'conv2', channels: 64, blocks: 3 },
  { name: 'conv3', channels: 128, blocks: 4 },
  { name: 'conv4', channels: 256, blocks: 6 },
  { name: 'conv5', channels: 512, blocks: 3 },
] as const;

/**
 * DeepFace's ArcFace, a ResNet34 (deepface/models/facial_recognition/ArcFace.py, 0.0.100):
 * `face` float32 [n, 3, 112, 112] in the channel order of the space → `embedding` float32 [n, 512].
 * Its last two layers before the end have no name of their own in Keras: `batch_normalization` and `dense`.
 */
export function buildArcFace(weights: WeightProvider, external?: ExternalWeights): Uint8Array {
  const g = new GraphBuilder('arcface', external);
  const layers = new KerasLayers(g, weights);
  let x = layers.convolution(g.input('face', 'float32', ['n', 3, 112, 112]), 'conv1_conv', {
    from: 3,
    to: 64,
    kernel: [3, 3],
    pad: 1,
    norm: { layer: 'conv1_bn', epsilon: EPSILON },
  });
  x = layers.prelu(x, 'conv1_prelu', 64);
  let from = 64;
  for (const { name, channels, blocks } of STAGES)
    for (let i = 1; i <= blocks; i++) {
      x = block(layers, x, `${name}_block${i}`, from, channels, i === 1 ? 2 : 1);
      from = channels;
    }
  const flat = g.node('Flatten', [x], { axis: 1 });
  const embedding = layers.dense(flat, 'dense', {
    from: 512,
    positions: 7 * 7,
    to: 512,
    bias: true,
    before: { layer: 'batch_normalization', epsilon: EPSILON },
    after: { layer: 'embedding', epsilon: EPSILON },
  });
  g.output(embedding, 'embedding', 'float32', ['n', 512]);
  return g.build();
}

/** The norm comes before a zero padding here, so it cannot be folded into the convolution behind it. */
function block(layers: KerasLayers, x: Value, name: string, from: number, to: number, stride: number): Value {
  const norm = (part: string) => ({ layer: `${name}_${part}_bn`, epsilon: EPSILON });
  // The first block of a stage has a convolution on its shortcut, also where the channels stay the same.
  const shortcut =
    stride === 1 && from === to
      ? x
      : layers.convolution(x, `${name}_0_conv`, { from, to, kernel: [1, 1], stride, norm: norm('0') });
  let y = layers.norm(x, norm('1'), from);
  y = layers.convolution(y, `${name}_1_conv`, { from, to, kernel: [3, 3], pad: 1, norm: norm('2') });
  y = layers.prelu(y, `${name}_1_prelu`, to);
  y = layers.convolution(y, `${name}_2_conv`, { from: to, to, kernel: [3, 3], stride, pad: 1, norm: norm('3') });
  return layers.add(shortcut, y);
}
