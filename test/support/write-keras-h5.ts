// Writes a network's weights as a Keras 2 HDF5 file, the layout of DeepFace's own files.
import { File, ready } from 'h5wasm/node';
import type { WeightKind, WeightProvider } from '#kith/inference/weights/provider.js';

const KINDS: Readonly<Record<string, WeightKind>> = {
  k: 'kernel',
  d: 'kernel',
  c: 'bias',
  g: 'gamma',
  b: 'beta',
  m: 'mean',
  v: 'variance',
  a: 'alpha',
};

/** `build` is run once to learn every weight's shape; layers that it does not ask for are left out. */
export async function writeKerasH5(
  file: string,
  order: readonly string[],
  weights: WeightProvider,
  build: (weights: WeightProvider) => unknown,
): Promise<void> {
  const shapes = new Map<string, readonly number[]>();
  build((layer, kind, shape) => {
    shapes.set(`${layer}/${kind}`, shape);
    return weights(layer, kind, shape);
  });
  await ready;
  const h5 = new File(file, 'w');
  const layers = order.map((entry) => entry.split(':') as [string, string]);
  h5.create_attribute('layer_names', ['input_1', ...layers.map(([name]) => name)]);
  for (const [name, letters] of layers) {
    const group = h5.create_group(name);
    const kinds = [...letters].map((letter) => KINDS[letter]!);
    group.create_attribute(
      'weight_names',
      kinds.map((kind) => `${name}/${kind}:0`),
    );
    const inner = group.create_group(name);
    for (const kind of kinds) {
      const shape = shapes.get(`${name}/${kind}`);
      if (shape === undefined) throw new Error(`the network never asked for ${name}/${kind}`);
      inner.create_dataset({ name: `${kind}:0`, data: weights(name, kind, shape), shape: [...shape], dtype: '<f4' });
    }
  }
  h5.close();
}
