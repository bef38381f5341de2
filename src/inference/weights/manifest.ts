import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { KithError } from '../../errors.js';
import { assertShape, type WeightKind, type WeightProvider } from './provider.js';

type StoredType = 'float32' | 'int32' | 'uint8';

interface ManifestWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: StoredType;
  readonly quantization?: { readonly dtype: StoredType; readonly scale: number; readonly min: number };
}

interface ManifestGroup {
  readonly paths: readonly string[];
  readonly weights: readonly ManifestWeight[];
}

interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: () => Float32Array;
}

const BYTES: Readonly<Record<StoredType, number>> = { float32: 4, int32: 4, uint8: 1 };

/** Weights as TensorFlow.js stores them: `<model>-weights_manifest.json` beside binary shards. */
export interface ManifestWeights {
  readonly provider: WeightProvider;
  /** The bytes of the shards, in the manifest's order: what a fingerprint of the weights is taken of. */
  readonly bytes: Uint8Array;
}

/**
 * Reads a tfjs weights manifest and its shards. `nameOf` spells our layer and kind as the manifest does.
 * Quantised weights are `q · scale + min` in double precision, rounded once, as tfjs-converter computes them.
 * Throws `weights-missing` or `weights-damaged`.
 */
export async function readManifestWeights(
  manifestPath: string,
  nameOf: (layer: string, kind: WeightKind) => string,
): Promise<ManifestWeights> {
  const source = path.basename(manifestPath);
  const groups = JSON.parse(new TextDecoder().decode(await readWeightFile(manifestPath))) as readonly ManifestGroup[];
  const shards = groups.flatMap((group) => group.paths);
  const parts = await Promise.all(shards.map((shard) => readWeightFile(path.join(path.dirname(manifestPath), shard))));
  const bytes = parts.length === 1 ? parts[0]! : new Uint8Array(Buffer.concat(parts));
  const tensors = locateTensors(source, groups, bytes);
  const provider: WeightProvider = (layer, kind, shape) => {
    const name = nameOf(layer, kind);
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new KithError('weights-layer', { source, layer: name });
    assertShape(source, name, tensor.shape, shape);
    return tensor.data();
  };
  return { provider, bytes };
}

async function readWeightFile(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new KithError('weights-missing', { file }, { cause });
  }
}

function locateTensors(source: string, groups: readonly ManifestGroup[], bytes: Uint8Array): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  let offset = 0;
  for (const weight of groups.flatMap((group) => group.weights)) {
    const length = weight.shape.reduce((a, b) => a * b, 1);
    const start = offset;
    offset += length * BYTES[weight.quantization?.dtype ?? weight.dtype];
    tensors.set(weight.name, { shape: weight.shape, data: () => dequantise(weight, bytes, start, length) });
  }
  if (offset !== bytes.length)
    throw new KithError('weights-damaged', { source, given: bytes.length, expected: offset });
  return tensors;
}

function dequantise(weight: ManifestWeight, bytes: Uint8Array, start: number, length: number): Float32Array {
  const { dtype, scale, min } = weight.quantization ?? { dtype: weight.dtype, scale: 1, min: 0 };
  const result = new Float32Array(length);
  // A float32 tensor may start at any byte after uint8 ones, so it is copied rather than viewed.
  if (dtype === 'float32') new Uint8Array(result.buffer).set(bytes.subarray(start, start + length * BYTES.float32));
  else {
    const stored =
      dtype === 'uint8'
        ? bytes.subarray(start, start + length)
        : new Int32Array(bytes.slice(start, start + length * 4).buffer);
    for (let i = 0; i < length; i++) result[i] = stored[i]! * scale + min;
  }
  return result;
}
