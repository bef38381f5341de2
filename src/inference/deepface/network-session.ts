import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { WorkerPool } from '../pool.js';
import { openSession, type SessionSettings } from '../session.js';
import { buildNetwork, MODEL_FILE, type NetworkSource } from './network-files.js';
import type { WriterAnswer, WriterSettings } from './network-writer-worker.js';

/**
 * Opens a large network. A short-lived thread turns the Keras file into a temporary ONNX file, which onnxruntime maps:
 * what reading and transposing the weights needs is given back with the thread, and no second copy of them stays.
 * Where no temporary file can be written, memory has to do.
 */
export async function openNetwork(source: NetworkSource, settings: SessionSettings): Promise<InferenceSession> {
  const folder = await temporaryFolder();
  if (folder === null) return openSession(await buildNetwork(source), settings);
  try {
    if (!(await write({ source, folder }))) return await openSession(await buildNetwork(source), settings);
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

async function write(settings: WriterSettings): Promise<boolean> {
  const program = new URL('./network-writer-worker.js', import.meta.url);
  const { pool, about } = await WorkerPool.open<never, never>(program, settings, { workers: 1, queue: 0 });
  await pool[Symbol.asyncDispose]();
  return (about as WriterAnswer).written;
}
