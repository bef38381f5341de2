import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { KithError } from '../../errors.js';
import { openSession, type SessionSettings } from '../session.js';

export interface ModelFile {
  readonly session: InferenceSession;
  /** The file's name, for messages. */
  readonly name: string;
  /** SHA-256 of the file, hex. */
  readonly sha256: string;
}

/** Opens an ONNX file of the user's. Throws `weights-missing` or `inference-model`. */
export async function openModelFile(file: string, settings: SessionSettings): Promise<ModelFile> {
  const bytes = await readModel(file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { session: await openSession(bytes, settings), name: path.basename(file), sha256 };
}

async function readModel(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new KithError('weights-missing', { file }, { cause });
  }
}

/** Runs a model of one input; its outputs in the model's own order. Throws `inference-model` when the input does not fit. */
export async function runModel(session: InferenceSession, name: string, input: Tensor): Promise<Float32Array[]> {
  try {
    const outputs = await session.run({ [session.inputNames[0]!]: input });
    return session.outputNames.map((output) => outputs[output]!.data as Float32Array);
  } catch (cause) {
    const reason = `${name} does not take an input of ${input.dims.join(' × ')}, as a model of its kind does`;
    throw new KithError('inference-model', { reason }, { cause });
  }
}
