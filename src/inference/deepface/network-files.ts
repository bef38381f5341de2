import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { ExternalWeights } from '../graph-builder.js';
import { buildRetinaFace } from '../networks/retinaface.js';
import { writeOptimized } from '../session.js';
import { openKerasWeights } from '../weights/keras-h5.js';
import { RETINAFACE_ORDER } from '../weights/keras-layer-order.js';
import { type NetworkBuilder, RECOGNITION_MODELS } from './recognition-models.js';

/** A network and the Keras file of its weights: plain data. */
export interface NetworkSource {
  /** A recognition model's name, or `retinaface`. */
  readonly network: string;
  readonly weights: string;
}

interface Network {
  readonly order: readonly string[];
  readonly build: NetworkBuilder;
}

const networkOf = (name: string): Network =>
  RECOGNITION_MODELS[name] ?? { order: RETINAFACE_ORDER, build: buildRetinaFace };

/** The network's ONNX model in memory. */
export async function buildNetwork({ network, weights: file }: NetworkSource): Promise<Uint8Array> {
  const { order, build } = networkOf(network);
  using weights = await openKerasWeights(file, order);
  return build(weights.provider);
}

export const MODEL_FILE = 'model.onnx';

/**
 * Writes the network's ONNX model into a folder, its weights in a file beside it that onnxruntime can map. `turned`:
 * already as the processor wants it; another device turns it itself.
 */
export async function writeNetwork(source: NetworkSource, folder: string, turned: boolean): Promise<void> {
  const file = path.join(folder, MODEL_FILE);
  if (!turned) return writeModel(source, file, 'weights.bin');
  const plain = path.join(folder, 'plain.onnx');
  await writeModel(source, plain, 'plain.bin');
  await writeOptimized(plain, file, 'weights.bin');
  rmSync(path.join(folder, 'plain.bin'));
}

async function writeModel({ network, weights: file }: NetworkSource, target: string, name: string): Promise<void> {
  const { order, build } = networkOf(network);
  using weights = await openKerasWeights(file, order);
  using sink = new WeightFile(path.dirname(target), name);
  writeFileSync(target, build(weights.provider, sink));
}

// onnxruntime maps external weights by whole pages.
const PAGE = 4096;

class WeightFile implements ExternalWeights, Disposable {
  readonly file: string;
  readonly #descriptor: number;
  #end = 0;

  constructor(folder: string, file: string) {
    this.file = file;
    this.#descriptor = openSync(path.join(folder, file), 'w');
  }

  append(bytes: Uint8Array): number {
    const start = Math.ceil(this.#end / PAGE) * PAGE;
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, start + done);
    this.#end = start + bytes.length;
    return start;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
