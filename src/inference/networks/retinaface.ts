import { type ExternalWeights, GraphBuilder, type Value } from '../graph-builder.js';
import type { WeightProvider } from '../weights/provider.js';
import { KerasLayers } from './keras-layers.js';
import { type FieldOfView, inWindow } from './photo-window.js';

// The epsilon of retinaface_model.py: 2e-5 rounded to float32.
const EPSILON = 1.9999999494757503e-5;
const STAGES = [
  { channels: 64, units: 3 },
  { channels: 128, units: 4 },
  { channels: 256, units: 6 },
  { channels: 512, units: 3 },
] as const;

interface Unit {
  readonly name: string;
  readonly from: number;
  /** Of its inner convolutions; four times as many come out. */
  readonly channels: number;
  readonly stride: number;
  readonly first: boolean;
}

const UNITS: readonly Unit[] = STAGES.flatMap(({ channels, units }, stage) =>
  Array.from({ length: units }, (_, i) => ({
    name: `stage${stage + 1}_unit${i + 1}`,
    from: i > 0 ? channels * 4 : stage === 0 ? 64 : channels * 2,
    channels,
    stride: i === 0 && stage > 0 ? 2 : 1,
    first: i === 0,
  })),
);

// All of stride 8 and finer: its output row r depends on input rows 8 r ± 45.
const STEM_UNITS = 7;
const STEM: FieldOfView = { stride: 8, reach: 45 };

/** Coarsest first, as RetinaFace.detect_faces goes through them. */
export const RETINAFACE_STRIDES = [32, 16, 8] as const;
export type RetinaFaceStride = (typeof RETINAFACE_STRIDES)[number];

/** Channels of an output: a logit "face" for each of two anchors, their boxes (4 each), their landmarks (10 each). */
export const RETINAFACE_CHANNELS = { score: 2, box: 8, landmark: 20 } as const;

const OUTPUT_CHANNELS = 30;
const CONTEXT_CHANNELS = [256, 128, 128] as const;

/**
 * retina-face's RetinaFace on ResNet50 (retinaface/model/retinaface_model.py, 0.0.19):
 * `image` float32 [1, 3, h, w], RGB 0–255, black outside of `photo` int64 [4]: top, left, bottom, right → `stride32`, `stride16`, `stride8`, each float32 [1, 30, h′, w′].
 *
 * The network's two-way softmax over "no face" and "face" of an anchor is sigmoid(face − no face), so the difference is
 * taken in the kernels and the logit given out. The three heads of a stride are one convolution.
 */
export function buildRetinaFace(weights: WeightProvider, external?: ExternalWeights): Uint8Array {
  const g = new GraphBuilder('retinaface', external);
  const net = new RetinaFaceNet(new KerasLayers(g, weights));
  const image = g.input('image', 'float32', [1, 3, 'h', 'w']);
  const { c1, c2, c3 } = net.backbone(image, g.input('photo', 'int64', [4]));
  const coarse = net.lateral(c3, 'ssh_c3_lateral', 2048);
  const middle = net.merge(net.lateral(c2, 'ssh_c2_lateral', 512), coarse, 'ssh_c2_aggr');
  const fine = net.merge(net.lateral(c1, 'ssh_m1_red_conv', 256), middle, 'ssh_c1_aggr');
  const levels = {
    32: net.context(coarse, 'ssh_m3'),
    16: net.context(middle, 'ssh_m2'),
    8: net.context(fine, 'ssh_m1'),
  };
  for (const stride of RETINAFACE_STRIDES)
    g.output(net.heads(levels[stride], stride), `stride${stride}`, 'float32', [
      1,
      OUTPUT_CHANNELS,
      `h${stride}`,
      `w${stride}`,
    ]);
  return g.build();
}

const norm = (layer: string) => ({ layer, epsilon: EPSILON });

class RetinaFaceNet {
  readonly layers: KerasLayers;

  constructor(layers: KerasLayers) {
    this.layers = layers;
  }

  /** A ResNet50 whose norms stand before the convolutions; the maps of strides 8, 16 and 32. */
  backbone(image: Value, photo: Value): { c1: Value; c2: Value; c3: Value } {
    const { layers } = this;
    const [after, ...units] = UNITS.slice(STEM_UNITS);
    const start = inWindow(layers.graph, image, photo, STEM, (window) => this.#start(this.#stem(window), after!));
    const first = this.#unit(start, start, after!);
    const taps = [first.tap];
    let x = first.sum;
    for (const unit of units) {
      const { sum, tap } = this.#unit(x, this.#start(x, unit), unit);
      if (unit.first) taps.push(tap);
      x = sum;
    }
    return { c1: taps[0]!, c2: taps[1]!, c3: layers.relu(layers.norm(x, norm('bn1'), 2048)) };
  }

  #stem(image: Value): Value {
    const { layers } = this;
    // bn_data stands before a zero padding, so it cannot be folded.
    let x = layers.norm(image, norm('bn_data'), 3);
    x = layers.convolution(x, 'conv0', { from: 3, to: 64, kernel: [7, 7], stride: 2, pad: 3, norm: norm('bn0') });
    x = layers.maxPool(layers.relu(x), 3, 2, 1);
    for (const unit of UNITS.slice(0, STEM_UNITS)) x = this.#unit(x, this.#start(x, unit), unit).sum;
    return x;
  }

  #start(x: Value, { name, from }: Unit): Value {
    return this.layers.relu(this.layers.norm(x, norm(`${name}_bn1`), from));
  }

  /**
   * What a unit makes of its input `x`, of which a stage's first unit needs only the `start`. `tap` is what comes out of
   * the first convolution: before the stride, so of the stage before's size.
   */
  #unit(x: Value, start: Value, { name, from, channels, stride, first }: Unit): { sum: Value; tap: Value } {
    const { layers } = this;
    const to = channels * 4;
    const shortcut = first ? layers.convolution(start, `${name}_sc`, { from, to, kernel: [1, 1], stride }) : x;
    const tap = layers.relu(
      layers.convolution(start, `${name}_conv1`, { from, to: channels, kernel: [1, 1], norm: norm(`${name}_bn2`) }),
    );
    const inner = { from: channels, to: channels, kernel: [3, 3], stride, pad: 1, norm: norm(`${name}_bn3`) } as const;
    const y = layers.relu(layers.convolution(tap, `${name}_conv2`, inner));
    const last = layers.convolution(y, `${name}_conv3`, { from: channels, to, kernel: [1, 1] });
    return { sum: layers.add(last, shortcut), tap };
  }

  #unitOf(x: Value, layer: string, from: number, to: number, size: 1 | 3): Value {
    const kernel = [size, size] as const;
    const pad = size === 3 ? 1 : 0;
    return this.layers.convolution(x, layer, { from, to, kernel, pad, bias: true, norm: norm(`${layer}_bn`) });
  }

  lateral(x: Value, layer: string, from: number): Value {
    return this.layers.relu(this.#unitOf(x, layer, from, 256, 1));
  }

  /** The coarser map doubled, cut to the finer one's size (it may be a pixel larger), added, and smoothed. */
  merge(fine: Value, coarse: Value, layer: string): Value {
    const g = this.layers.graph;
    const scales = g.constant(Float32Array.of(1, 1, 2, 2), [4]);
    const doubled = g.node('Resize', [coarse, null, scales], {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    });
    const size = g.node('Slice', [g.node('Shape', [fine]), g.integers([2]), g.integers([4])]);
    const cut = g.node('Slice', [doubled, g.integers([0, 0]), size, g.integers([2, 3])]);
    return this.layers.relu(this.#unitOf(this.layers.add(fine, cut), layer, 256, 256, 3));
  }

  /** Three fields of view side by side, of {@link CONTEXT_CHANNELS}. */
  context(x: Value, module: string): Value[] {
    const { layers } = this;
    const near = this.#unitOf(x, `${module}_det_conv1`, 256, 256, 3);
    const shared = layers.relu(this.#unitOf(x, `${module}_det_context_conv1`, 256, 128, 3));
    const wide = this.#unitOf(shared, `${module}_det_context_conv2`, 128, 128, 3);
    const further = layers.relu(this.#unitOf(shared, `${module}_det_context_conv3_1`, 128, 128, 3));
    const widest = this.#unitOf(further, `${module}_det_context_conv3_2`, 128, 128, 3);
    return [near, wide, widest].map((map) => layers.relu(map));
  }

  /** The heads over the fields of view, as if these were one map. */
  heads(fields: readonly Value[], stride: RetinaFaceStride): Value {
    const w = this.layers.weights;
    const parts = (['cls_score', 'bbox_pred', 'landmark_pred'] as const).map((head, i) => {
      const channels = [4, 8, 20][i]!;
      const layer = `face_rpn_${head}_stride${stride}`;
      return {
        kernel: w(layer, 'kernel', [1, 1, 512, channels]),
        bias: w(layer, 'bias', [channels]),
        channels,
      };
    });
    const kernel = new Float32Array(512 * OUTPUT_CHANNELS);
    for (let i = 0; i < 512; i++) kernel.set(headRow(parts, i), i * OUTPUT_CHANNELS);
    const bias = headRow(
      parts.map((part) => ({ ...part, kernel: part.bias })),
      0,
    );
    let from = 0;
    const results = fields.map((field, i) => {
      const channels = CONTEXT_CHANNELS[i]!;
      const own = kernel.subarray(from * OUTPUT_CHANNELS, (from + channels) * OUTPUT_CHANNELS);
      from += channels;
      const shape = { from: channels, to: OUTPUT_CHANNELS, kernel: [1, 1], stride: 1, pad: 0 } as const;
      return this.layers.convolutionOf(field, own, i === 0 ? Float32Array.from(bias) : null, shape);
    });
    return results.reduce((sum, result) => this.layers.add(sum, result));
  }
}

/** One input channel's weights to the 30 outputs: the two differences of scores, then boxes and landmarks as they are. */
function headRow(
  parts: readonly { readonly kernel: Float32Array; readonly channels: number }[],
  input: number,
): number[] {
  const [scores = [], boxes = [], landmarks = []] = parts.map(({ kernel, channels }) => [
    ...kernel.subarray(input * channels, (input + 1) * channels),
  ]);
  return [scores[2]! - scores[0]!, scores[3]! - scores[1]!, ...boxes, ...landmarks];
}
