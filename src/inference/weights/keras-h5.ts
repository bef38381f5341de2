import { open } from 'node:fs/promises';
import path from 'node:path';
import { type Dataset, File, ready } from 'h5wasm/node';
import { KithError } from '../../errors.js';
import { readLayers, type StoredLayer, type StoredLayers } from './keras-h5-layers.js';
import { assertShape, type WeightKind, type WeightProvider } from './provider.js';

/** A Keras weight file, open. Closing it ends the provider. */
export interface KerasWeights extends Disposable {
  readonly provider: WeightProvider;
}

/** The letters of keras-layer-order.ts. A dense kernel is a kernel too. */
const LETTERS: Readonly<Partial<Record<WeightKind, string>>> = {
  kernel: 'kd',
  bias: 'c',
  gamma: 'g',
  beta: 'b',
  mean: 'm',
  variance: 'v',
  alpha: 'a',
};

/** The class that a layer's first weight tells, as Keras 3 spells it in files. */
const CLASSES: Readonly<Record<string, string>> = {
  k: 'conv2d',
  d: 'dense',
  g: 'batch_normalization',
  b: 'batch_normalization',
  a: 'p_re_lu',
};

interface ExpectedLayer {
  readonly name: string;
  /** A letter for each of its weights. */
  readonly weights: string;
}

/**
 * Opens a Keras `.h5` file of a known network: `order` is Keras' own order of its layers (keras-layer-order.ts).
 * Layers are matched by their place, as Keras' `load_weights` does, since names differ between saves; the number of
 * layers, of weights in each, and every shape are checked, so a file of another network is told, not loaded.
 * Throws `weights-missing`, `weights-damaged`, `weights-not-keras`, `weights-layers`, `weights-layer` or `weights-shape`.
 */
export async function openKerasWeights(file: string, order: readonly string[]): Promise<KerasWeights> {
  await assertWhole(file);
  await ready;
  const source = path.basename(file);
  const opened = openFile(file, source);
  try {
    const stored = readLayers(opened);
    if (stored === null) throw new KithError('weights-not-keras', { source });
    const layers = matchLayers(source, order.map(expectedLayer), stored);
    return { provider: providerOf(source, layers), [Symbol.dispose]: () => void opened.close() };
  } catch (error) {
    opened.close();
    throw error;
  }
}

function expectedLayer(entry: string): ExpectedLayer {
  const colon = entry.lastIndexOf(':');
  return { name: entry.slice(0, colon), weights: entry.slice(colon + 1) };
}

function openFile(file: string, source: string): File {
  try {
    return new File(file, 'r');
  } catch (cause) {
    throw new KithError('weights-not-keras', { source }, { cause });
  }
}

interface MatchedLayer extends ExpectedLayer {
  readonly stored: StoredLayer;
}

function matchLayers(
  source: string,
  expected: readonly ExpectedLayer[],
  stored: StoredLayers,
): ReadonlyMap<string, MatchedLayer> {
  const found = stored.layout === 'listed' ? stored.layers : numbered(expected, stored.layers);
  const given = stored.layout === 'listed' ? stored.layers.length : stored.layers.size;
  if (given !== expected.length) throw new KithError('weights-layers', { source, given, expected: expected.length });
  const matched = expected.map((layer, i): [string, MatchedLayer] => {
    const place = found[i];
    if (place === undefined) throw new KithError('weights-layer', { source, layer: layer.name });
    assertShape(source, `the weights of ${place.name} (${layer.name})`, [place.weights.length], [layer.weights.length]);
    return [layer.name, { ...layer, stored: place }];
  });
  return new Map(matched);
}

/** The file's layers in the expected order: the n-th layer of a class is called by the class and n. */
function numbered(
  expected: readonly ExpectedLayer[],
  stored: ReadonlyMap<string, StoredLayer>,
): (StoredLayer | undefined)[] {
  const counts = new Map<string, number>();
  return expected.map(({ weights }) => {
    const kind = CLASSES[weights[0]!]!;
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return stored.get(count === 0 ? kind : `${kind}_${count}`);
  });
}

function providerOf(source: string, layers: ReadonlyMap<string, MatchedLayer>): WeightProvider {
  return (name, kind, shape) => {
    const layer = layers.get(name);
    const letters = LETTERS[kind] ?? '';
    const index = layer === undefined ? -1 : [...layer.weights].findIndex((letter) => letters.includes(letter));
    const weight = layer?.stored.weights[index];
    if (layer === undefined || weight === undefined)
      throw new KithError('weights-layer', { source, layer: `${name}/${kind}` });
    assertShape(source, `${layer.stored.name}/${kind} (${name})`, weight.shape ?? [], shape);
    return float32(source, layer.stored.name, weight);
  };
}

function float32(source: string, layer: string, weight: Dataset): Float32Array {
  const { value } = weight;
  if (value instanceof Float32Array) return value;
  if (value instanceof Float64Array) return Float32Array.from(value);
  throw new KithError('weights-layer', { source, layer: `${layer} as floating-point numbers` });
}

// Where a superblock of version 0, 1, or 2 and newer keeps the file's end.
const END_ADDRESS = [40, 44, 28] as const;
const SIGNATURE = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');

/**
 * An HDF5 file starts with its signature and says in its superblock where it ends (HDF5 file format, III.A): a
 * download that was cut off is told by its length before anything of it is read.
 */
async function assertWhole(file: string): Promise<void> {
  const { head, size } = await readHead(file);
  const source = path.basename(file);
  if (!head.subarray(0, 8).equals(SIGNATURE)) throw new KithError('weights-not-keras', { source });
  const expected = Number(head.readBigUInt64LE(END_ADDRESS[Math.min(head[8]!, 2)]!));
  if (size < expected) throw new KithError('weights-damaged', { source, given: size, expected });
}

async function readHead(file: string): Promise<{ head: Buffer; size: number }> {
  try {
    const handle = await open(file);
    try {
      const head = Buffer.alloc(96);
      await handle.read(head, 0, head.length, 0);
      return { head, size: (await handle.stat()).size };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new KithError('weights-missing', { file }, { cause });
  }
}
