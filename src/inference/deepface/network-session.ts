import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { KithError } from '../../errors.js';
import { openSession, type SessionSettings } from '../session.js';
import { receiveError, sendError } from '../worker-protocol.js';
import { buildNetwork, MODEL_FILE, type NetworkSource } from './network-files.js';
import type { WriterAnswer, WriterOrder } from './network-writer.js';

/**
 * Opens a large network. A short-lived process turns the Keras file into a temporary ONNX file, which onnxruntime maps:
 * what reading, transposing and optimising needs is given back with the process, and no second copy of the weights
 * stays. Where no temporary file can be written, memory has to do.
 */
export async function openNetwork(source: NetworkSource, settings: SessionSettings): Promise<InferenceSession> {
  const folder = await temporaryFolder();
  if (folder === null) return openSession(await buildNetwork(source), settings);
  try {
    const turned = (settings.device ?? 'cpu') === 'cpu';
    if (!(await write({ source, folder, turned }))) return await openSession(await buildNetwork(source), settings);
    return await openSession(path.join(folder, MODEL_FILE), settings);
  } finally {
    // What is mapped stays there until it is unmapped. A system that will not remove a mapped file cleans up itself.
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function temporaryFolder(): Promise<string | null> {
  try {
    return await mkdtemp(path.join(tmpdir(), 'kith-model-'));
  } catch {
    return null;
  }
}

/** Whether the files were written; throws what kept the network from being read. */
async function write(order: WriterOrder): Promise<boolean> {
  // Nothing of this process's environment is its business.
  const writer = fork(new URL('./network-writer.js', import.meta.url), {
    env: {},
    execArgv: [],
    serialization: 'advanced',
  });
  const ended = once(writer, 'exit').then(([code, signal]): WriterAnswer => {
    const reason = `the process that prepares it ended by ${signal ?? `code ${code}`}`;
    return { kind: 'failed', error: sendError(new KithError('inference-model', { reason })) };
  });
  writer.send(order);
  const answered = once(writer, 'message').then(([answer]) => answer as WriterAnswer);
  const answer = await Promise.race([answered, ended]);
  switch (answer.kind) {
    case 'written':
      return true;
    case 'full':
      return false;
    case 'failed':
      throw receiveError(answer.error);
  }
}
