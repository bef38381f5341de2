import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { KithError } from '../errors.js';
import { sha256OfFile } from './file-hash.js';
import { KNOWN_MODELS, type KnownModel, knownModel } from './model-registry.js';

/** The first of the folders that holds the file, or `null`. */
export async function findModelFile(file: string, folders: readonly string[]): Promise<string | null> {
  for (const folder of folders) {
    const full = path.join(folder, file);
    if ((await sizeOf(full)) !== null) return full;
  }
  return null;
}

export interface ModelListing extends KnownModel {
  /** Where it was found, or `null`: not there. */
  readonly path: string | null;
  /** Bytes of the file found. */
  readonly size: number | null;
}

/** Every known model, with where it is. Reads no file's contents. */
export function listModels(folders: readonly string[]): Promise<ModelListing[]> {
  return Promise.all(KNOWN_MODELS.map((model) => locate(model, folders)));
}

async function locate(model: KnownModel, folders: readonly string[]): Promise<ModelListing> {
  const found = await findModelFile(model.file, folders);
  return { ...model, path: found, size: found === null ? null : await sizeOf(found) };
}

/**
 * `ok`: the hash is the known or pinned one. `different`: it is not. `unpinned`: nothing is known to compare with; put
 * the line `<hash>  <file>` into `SHA256SUMS` beside the file to pin it. `missing`: not in any folder.
 */
export type ModelVerdict = 'ok' | 'different' | 'unpinned' | 'missing';

export interface ModelCheck {
  readonly file: string;
  readonly path: string | null;
  readonly verdict: ModelVerdict;
  /** SHA-256 of the file found, hex. */
  readonly sha256: string | null;
  readonly expected: string | null;
  /** Where the expected hash is from: `SHA256SUMS` beside the file wins over what is known here. */
  readonly source: 'known' | 'pinned' | null;
}

export interface ModelProgress {
  readonly file: string;
  readonly done: number;
  readonly total: number | null;
}

export interface CheckOptions {
  /** File or model names; all known ones unless given. */
  readonly only?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ModelProgress) => void) | undefined;
}

/** Hashes the model files that are there. Throws `model-unknown` for a name that is none. */
export async function checkModels(folders: readonly string[], options: CheckOptions = {}): Promise<ModelCheck[]> {
  const wanted = options.only === undefined ? KNOWN_MODELS : options.only.map(requireModel);
  const checks: ModelCheck[] = [];
  for (const model of wanted) checks.push(await checkModel(await locate(model, folders), options));
  return checks;
}

export function requireModel(wanted: string): KnownModel {
  const model = knownModel(wanted);
  if (model !== undefined) return model;
  const allowed = KNOWN_MODELS.map(({ name }) => name).join(', ');
  throw new KithError('model-unknown', { given: wanted, allowed });
}

async function checkModel(model: ModelListing, options: CheckOptions): Promise<ModelCheck> {
  const { file, path: found, size } = model;
  if (found === null)
    return { file, path: null, verdict: 'missing', sha256: null, expected: model.sha256, source: null };
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    options.onProgress?.({ file, done, total: size });
  };
  const sha256 = await sha256OfFile(found, { signal: options.signal, onBytes });
  const pinned = (await readPins(path.dirname(found))).get(file);
  const expected = pinned ?? model.sha256;
  const source = pinned !== undefined ? 'pinned' : expected === null ? null : 'known';
  const verdict = expected === null ? 'unpinned' : sha256 === expected ? 'ok' : 'different';
  return { file, path: found, verdict, sha256, expected, source };
}

/** `SHA256SUMS` of a folder, as `sha256sum` writes it; none where there is no such file. */
export async function readPins(folder: string): Promise<ReadonlyMap<string, string>> {
  let text: string;
  try {
    text = await readFile(path.join(folder, 'SHA256SUMS'), 'utf8');
  } catch {
    return new Map();
  }
  const lines = text.matchAll(/^(?<hash>[0-9a-f]{64}) [ *](?<file>.+)$/gim);
  return new Map([...lines].map(({ groups }) => [groups!.file!.trim(), groups!.hash!.toLowerCase()]));
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    const status = await stat(file);
    return status.isFile() ? status.size : null;
  } catch {
    return null;
  }
}
