import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { KithError } from '../errors.js';
import { sha256OfFile } from './file-hash.js';
import { type ModelProgress, readPins, requireModel } from './models.js';

export interface PullOptions {
  /** Where the file goes; made if it is not there. */
  readonly folder: string;
  /** Instead of the address that DeepFace takes the file from. */
  readonly url?: string | undefined;
  /** SHA-256 that the file must have, hex; else that of `SHA256SUMS` in the folder, else the known one. */
  readonly sha256?: string | undefined;
  /** Milliseconds without a byte after which a transfer counts as broken. Default 30,000. */
  readonly idleTimeout?: number;
  /** How often a broken transfer is taken up again before giving up. Default 5. */
  readonly retries?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ModelProgress) => void) | undefined;
}

export interface PulledModel {
  readonly file: string;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** `present`: it was there already with the expected hash, and nothing was fetched. */
  readonly state: 'pulled' | 'present';
  /** Whether there was a hash to hold the file against. */
  readonly verified: boolean;
}

interface Target {
  readonly file: string;
  readonly url: string;
  readonly path: string;
  /** What has arrived so far, and beside it which transfer it is of. */
  readonly part: string;
  readonly partOf: string;
  readonly bytes: number | null;
  readonly sha256: string | null;
}

/**
 * Fetches a model file into a folder. What arrives is kept in `<file>.part`, so that a broken transfer goes on where it
 * ended (HTTP Range, held to the same version by If-Range), in this call or in the next; size and SHA-256 are checked
 * before the file gets its name, in one rename. Nothing but this call fetches anything.
 * Throws `model-unknown`, `model-url`, `model-download`, `model-size` or `model-hash`.
 */
export async function pullModel(wanted: string, options: PullOptions): Promise<PulledModel> {
  const target = await targetOf(wanted, options);
  const there = await alreadyThere(target);
  if (there !== null) return there;
  await mkdir(options.folder, { recursive: true });
  await transferAll(target, options);
  const bytes = await sizeOf(target.part);
  if (target.bytes !== null && bytes !== target.bytes) {
    await forget(target);
    throw new KithError('model-size', { file: target.file, given: bytes, expected: target.bytes });
  }
  const sha256 = await sha256OfFile(target.part, { signal: options.signal });
  if (target.sha256 !== null && sha256 !== target.sha256) {
    await forget(target);
    throw new KithError('model-hash', { file: target.file, given: sha256, expected: target.sha256 });
  }
  await rename(target.part, target.path);
  await rm(target.partOf, { force: true });
  return { file: target.file, path: target.path, bytes, sha256, state: 'pulled', verified: target.sha256 !== null };
}

async function targetOf(wanted: string, options: PullOptions): Promise<Target> {
  const model = requireModel(wanted);
  const url = options.url ?? model.url;
  if (url === null || !/^https?:$/.test(protocolOf(url))) throw new KithError('model-url', { file: model.file });
  const pins = await readPins(options.folder);
  const full = path.join(options.folder, model.file);
  const given = options.sha256?.toLowerCase();
  return {
    file: model.file,
    url,
    path: full,
    part: `${full}.part`,
    partOf: `${full}.part.json`,
    // A hash of the operator's own may be that of another version, of which no size is known.
    bytes: given === undefined || given === model.sha256 ? model.bytes : null,
    sha256: given ?? pins.get(model.file) ?? model.sha256,
  };
}

function protocolOf(url: string): string {
  try {
    return new URL(url).protocol;
  } catch {
    return '';
  }
}

async function alreadyThere(target: Target): Promise<PulledModel | null> {
  const bytes = await sizeOf(target.path);
  if (bytes === 0) return null;
  const sha256 = await sha256OfFile(target.path);
  if (target.sha256 !== null && sha256 !== target.sha256) return null;
  return { file: target.file, path: target.path, bytes, sha256, state: 'present', verified: target.sha256 !== null };
}

/** Goes on after every break that brought something, and gives up after too many that did not. */
async function transferAll(target: Target, options: PullOptions): Promise<void> {
  const { retries = 5, signal } = options;
  for (let fruitless = 0; ; ) {
    const before = await sizeOf(target.part);
    try {
      await transfer(target, options);
      return;
    } catch (cause) {
      if (cause instanceof KithError) throw cause;
      signal?.throwIfAborted();
      fruitless = (await sizeOf(target.part)) > before ? 0 : fruitless + 1;
      if (fruitless > retries)
        throw new KithError('model-download', { file: target.file, reason: reasonOf(cause) }, { cause });
      await wait(Math.min(200 * 2 ** fruitless, 5000), undefined, signal === undefined ? {} : { signal });
    }
  }
}

/** One request; returns when the server says that all is there. */
async function transfer(target: Target, options: PullOptions): Promise<void> {
  const start = await resumableBytes(target);
  const idle = new IdleSignal(options.idleTimeout ?? 30_000, options.signal);
  try {
    const response = await fetch(target.url, { headers: await rangeHeaders(target, start), signal: idle.signal });
    const from = acceptedStart(target, response, start);
    if (from === null) return;
    await remember(target, response);
    const total = totalOf(response, from);
    if (target.bytes !== null && total !== null && total !== target.bytes) {
      await forget(target);
      throw new KithError('model-size', { file: target.file, given: total, expected: target.bytes });
    }
    await append(target, response, from, total, options, idle);
    if (total !== null && (await sizeOf(target.part)) < total) throw new Error('the connection ended early');
  } finally {
    idle.stop();
  }
}

/** Where the answer starts: at the bytes asked for, at 0 where the server sends all again; `null`: nothing is missing. */
function acceptedStart(target: Target, response: Response, start: number): number | null {
  if (response.status === 206) {
    const from = Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]);
    if (from !== start) throw new Error('the server answered with other bytes than asked for');
    return from;
  }
  if (response.status === 200) return 0;
  const all = Number(/^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1]);
  if (response.status === 416 && all === start) return null;
  const reason = `${new URL(target.url).host} answered ${response.status}`;
  // A server that is busy or broken may answer again; one that refuses will not.
  if (response.status >= 500 || response.status === 429 || response.status === 416) throw new Error(reason);
  throw new KithError('model-download', { file: target.file, reason });
}

function totalOf(response: Response, from: number): number | null {
  const length = response.headers.get('content-length');
  // What is compressed on the way has another length than what arrives.
  if (length === null || response.headers.has('content-encoding')) return null;
  return from + Number(length);
}

async function append(
  target: Target,
  response: Response,
  from: number,
  total: number | null,
  { onProgress }: PullOptions,
  idle: IdleSignal,
): Promise<void> {
  const file = await open(target.part, from === 0 ? 'w' : 'a');
  try {
    let done = from;
    for await (const piece of response.body ?? []) {
      idle.restart();
      await file.write(piece);
      done += piece.length;
      onProgress?.({ file: target.file, done, total: total ?? target.bytes });
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

interface PartOf {
  readonly url: string;
  /** ETag or Last-Modified of the version that has begun to arrive. */
  readonly version: string | null;
}

async function partOf(target: Target): Promise<PartOf | null> {
  try {
    return JSON.parse(await readFile(target.partOf, 'utf8')) as PartOf;
  } catch {
    return null;
  }
}

/** What has arrived counts only if it is of this address and of a version that can be told. */
async function resumableBytes(target: Target): Promise<number> {
  const known = await partOf(target);
  return known?.url === target.url && known.version !== null ? sizeOf(target.part) : 0;
}

async function rangeHeaders(target: Target, start: number): Promise<Record<string, string>> {
  const version = (await partOf(target))?.version;
  // Without this a server may compress, and a range of compressed bytes is of no use.
  const plain = { 'accept-encoding': 'identity' };
  return start === 0 || version == null ? plain : { ...plain, range: `bytes=${start}-`, 'if-range': version };
}

async function remember(target: Target, response: Response): Promise<void> {
  const etag = response.headers.get('etag');
  // RFC 9110, 13.1.5: a weak ETag must not be used in If-Range.
  const version = etag !== null && !etag.startsWith('W/') ? etag : response.headers.get('last-modified');
  await writeFile(target.partOf, JSON.stringify({ url: target.url, version } satisfies PartOf));
}

async function forget(target: Target): Promise<void> {
  await rm(target.part, { force: true });
  await rm(target.partOf, { force: true });
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0;
  }
}

/** Aborts when nothing has come for a while, or when the caller does. */
class IdleSignal {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly signal: AbortSignal;

  constructor(milliseconds: number, caller: AbortSignal | undefined) {
    this.#timer = setTimeout(
      () => this.#controller.abort(new Error(`no byte came for ${milliseconds} ms`)),
      milliseconds,
    );
    this.signal = caller === undefined ? this.#controller.signal : AbortSignal.any([caller, this.#controller.signal]);
  }

  restart(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** fetch says only "fetch failed" and keeps the reason in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
