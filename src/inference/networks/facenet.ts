import { type ExternalWeights, GraphBuilder, type Value } from '../graph-builder.js';
import type { WeightProvider } from '../weights/provider.js';
import { KerasLayers } from './keras-layers.js';

type Size = number | readonly [height: number, width: number];
interface Step {
  readonly to: number;
  readonly size: Size;
  readonly layer: string;
  readonly stride?: number;
}

/**
 * DeepFace's Facenet and Facenet512, an Inception-ResNet v1 (deepface/models/facial_recognition/Facenet.py, 0.0.100):
 * `face` float32 [n, 3, 160, 160] → `embedding` float32 [n, dimensions].
 */
export function buildFacenet(weights: WeightProvider, dimensions: 128 | 512, external?: ExternalWeights): Uint8Array {
  const g = new GraphBuilder('facenet', external);
  const net = new Inception(new KerasLayers(g, weights));
  let x = net.stem(g.input('face', 'float32', ['n', 3, 160, 160]));
  for (let i = 1; i <= 5; i++) x = net.block35(x, i);
  x = net.mixed6(x);
  for (let i = 1; i <= 10; i++) x = net.block17(x, i);
  x = net.mixed7(x);
  for (let i = 1; i <= 5; i++) x = net.block8(x, i, 0.2);
  x = net.block8(x, 6, 1);
  const pooled = g.node('Flatten', [g.node('GlobalAveragePool', [x])], { axis: 1 });
  const embedding = net.layers.dense(pooled, 'Bottleneck', {
    from: 1792,
    to: dimensions,
    after: { layer: 'Bottleneck_BatchNorm', epsilon: 0.001, scale: false },
  });
  g.output(embedding, 'embedding', 'float32', ['n', dimensions]);
  return g.build();
}

class Inception {
  readonly layers: KerasLayers;

  constructor(layers: KerasLayers) {
    this.layers = layers;
  }

  /** Convolution, batch norm without a scale, ReLU. */
  #unit(x: Value, from: number, { to, size, layer, stride = 1 }: Step, pad: 'same' | 0): Value {
    const kernel = typeof size === 'number' ? ([size, size] as const) : size;
    const norm = { layer: `${layer}_BatchNorm`, epsilon: 0.001, scale: false };
    return this.layers.relu(this.layers.convolution(x, layer, { from, to, kernel, stride, pad, norm }));
  }

  /** Steps one behind the other; one that strides is not padded. */
  #branch(x: Value, from: number, steps: readonly Step[]): Value {
    let channels = from;
    for (const step of steps) {
      x = this.#unit(x, channels, step, step.stride === 2 ? 0 : 'same');
      channels = step.to;
    }
    return x;
  }

  stem(x: Value): Value {
    x = this.#unit(x, 3, { to: 32, size: 3, stride: 2, layer: 'Conv2d_1a_3x3' }, 0);
    x = this.#unit(x, 32, { to: 32, size: 3, layer: 'Conv2d_2a_3x3' }, 0);
    x = this.#unit(x, 32, { to: 64, size: 3, layer: 'Conv2d_2b_3x3' }, 'same');
    x = this.layers.maxPool(x, 3, 2);
    x = this.#unit(x, 64, { to: 80, size: 1, layer: 'Conv2d_3b_1x1' }, 0);
    x = this.#unit(x, 80, { to: 192, size: 3, layer: 'Conv2d_4a_3x3' }, 0);
    return this.#unit(x, 192, { to: 256, size: 3, stride: 2, layer: 'Conv2d_4b_3x3' }, 0);
  }

  /** The branches side by side, brought back to the block's width, scaled, and added to what came in. */
  #residual(x: Value, block: string, branches: readonly Value[], from: number, to: number, times: number): Value {
    const mixed = this.layers.concat(branches);
    const up = this.layers.convolution(mixed, `${block}_Conv2d_1x1`, { from, to, kernel: [1, 1], bias: true, times });
    return this.layers.add(x, up);
  }

  block35(x: Value, number: number): Value {
    const block = `Block35_${number}`;
    const branches = [
      this.#branch(x, 256, [{ to: 32, size: 1, layer: `${block}_Branch_0_Conv2d_1x1` }]),
      this.#branch(x, 256, [
        { to: 32, size: 1, layer: `${block}_Branch_1_Conv2d_0a_1x1` },
        { to: 32, size: 3, layer: `${block}_Branch_1_Conv2d_0b_3x3` },
      ]),
      this.#branch(x, 256, [
        { to: 32, size: 1, layer: `${block}_Branch_2_Conv2d_0a_1x1` },
        { to: 32, size: 3, layer: `${block}_Branch_2_Conv2d_0b_3x3` },
        { to: 32, size: 3, layer: `${block}_Branch_2_Conv2d_0c_3x3` },
      ]),
    ];
    return this.layers.relu(this.#residual(x, block, branches, 96, 256, 0.17));
  }

  mixed6(x: Value): Value {
    return this.layers.concat([
      this.#branch(x, 256, [{ to: 384, size: 3, stride: 2, layer: 'Mixed_6a_Branch_0_Conv2d_1a_3x3' }]),
      this.#branch(x, 256, [
        { to: 192, size: 1, layer: 'Mixed_6a_Branch_1_Conv2d_0a_1x1' },
        { to: 192, size: 3, layer: 'Mixed_6a_Branch_1_Conv2d_0b_3x3' },
        { to: 256, size: 3, stride: 2, layer: 'Mixed_6a_Branch_1_Conv2d_1a_3x3' },
      ]),
      this.layers.maxPool(x, 3, 2),
    ]);
  }

  /** The second branch carries the block's number in its name. */
  block17(x: Value, number: number): Value {
    const block = `Block17_${number}`;
    const branches = [
      this.#branch(x, 896, [{ to: 128, size: 1, layer: `${block}_Branch_0_Conv2d_1x1` }]),
      this.#branch(x, 896, [
        { to: 128, size: 1, layer: `${block}_Branch_${number}_Conv2d_0a_1x1` },
        { to: 128, size: [1, 7], layer: `${block}_Branch_${number}_Conv2d_0b_1x7` },
        { to: 128, size: [7, 1], layer: `${block}_Branch_${number}_Conv2d_0c_7x1` },
      ]),
    ];
    return this.layers.relu(this.#residual(x, block, branches, 256, 896, 0.1));
  }

  mixed7(x: Value): Value {
    return this.layers.concat([
      this.#branch(x, 896, [
        { to: 256, size: 1, layer: 'Mixed_7a_Branch_0_Conv2d_0a_1x1' },
        { to: 384, size: 3, stride: 2, layer: 'Mixed_7a_Branch_0_Conv2d_1a_3x3' },
      ]),
      this.#branch(x, 896, [
        { to: 256, size: 1, layer: 'Mixed_7a_Branch_1_Conv2d_0a_1x1' },
        { to: 256, size: 3, stride: 2, layer: 'Mixed_7a_Branch_1_Conv2d_1a_3x3' },
      ]),
      this.#branch(x, 896, [
        { to: 256, size: 1, layer: 'Mixed_7a_Branch_2_Conv2d_0a_1x1' },
        { to: 256, size: 3, layer: 'Mixed_7a_Branch_2_Conv2d_0b_3x3' },
        { to: 256, size: 3, stride: 2, layer: 'Mixed_7a_Branch_2_Conv2d_1a_3x3' },
      ]),
      this.layers.maxPool(x, 3, 2),
    ]);
  }

  /** The last one has no ReLU behind it, and numbers its second branch 1 again. */
  block8(x: Value, number: number, times: number): Value {
    const block = `Block8_${number}`;
    const second = number === 6 ? 1 : number;
    const branches = [
      this.#branch(x, 1792, [{ to: 192, size: 1, layer: `${block}_Branch_0_Conv2d_1x1` }]),
      this.#branch(x, 1792, [
        { to: 192, size: 1, layer: `${block}_Branch_${second}_Conv2d_0a_1x1` },
        { to: 192, size: [1, 3], layer: `${block}_Branch_${second}_Conv2d_0b_1x3` },
        { to: 192, size: [3, 1], layer: `${block}_Branch_${second}_Conv2d_0c_3x1` },
      ]),
    ];
    const sum = this.#residual(x, block, branches, 384, 1792, times);
    return number === 6 ? sum : this.layers.relu(sum);
  }
}
