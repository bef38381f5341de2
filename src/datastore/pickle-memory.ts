import { KithError } from '../errors.js';
import type { PickleInput } from './pickle-input.js';
import { type Memory, PickleMemo } from './pickle-memo.js';
import { decodeText, Encoding } from './pickle-text.js';
import { PyArray, PyBytes, PyDict, PyList, PyTuple, type Value } from './pickle-value.js';

/** Bytes of texts kept at hand because they were referred to. */
const CACHE_BYTES = 1 << 22;
/** Longest text or bytes object that is kept when its place is not known. */
const SMALL = 16;
/** Megabytes of rows and vectors that a second pass keeps because they are referred to. */
export const SHARED_LIMIT_MB = 128;

/** Thrown inside the room when a dropped object is referred to: the reader starts again and keeps such objects. */
export class DroppedObject extends Error {}

/**
 * What a pickle memoizes, in little memory (see {@link PickleMemo}). Rows and vectors are dropped. A file that refers
 * to one (rows that share a list: DeepFace never writes this) makes the first pass throw {@link DroppedObject}; a survey
 * then finds the ids that are referred to, and a second pass keeps those objects, within a bound.
 */
export class PickleMemory {
  readonly #memo = new PickleMemo();
  readonly #input: PickleInput;
  /** Ids to keep whatever they are, from a survey; null in a first pass. */
  readonly #shared: ReadonlySet<number> | null;
  readonly #sharedValues = new Map<number, Value>();
  #sharedBytes = 0;
  /** Objects kept since the last row, and where the first of them began. */
  #openShares = 0;
  #openFrom = 0;
  readonly #cache = new Map<number, string>();
  #cached = 0;
  /** The text or bytes object read last, and its place. */
  #last: Value = null;
  #lastEncoding: Encoding = Encoding.UTF8;
  #lastOffset = 0;
  #lastLength = 0;

  constructor(input: PickleInput, shared: ReadonlySet<number> | null) {
    this.#input = input;
    this.#shared = shared;
  }

  /** The text of the instruction at hand. */
  readText(encoding: Encoding): string {
    const { bytes, argument, length } = this.#input;
    const text = decodeText(encoding, bytes, argument, argument + length);
    if (text === null) throw this.#input.notPickle('a text is not in its encoding');
    this.#note(text, encoding);
    return text;
  }

  /** The bytes of the instruction at hand. */
  readBytes(): PyBytes {
    const { bytes, argument, length } = this.#input;
    const value = new PyBytes(Uint8Array.prototype.slice.call(bytes, argument, argument + length));
    this.#note(value, Encoding.BYTES);
    return value;
  }

  /** MEMOIZE: under the next id. */
  memoize(value: Value): void {
    this.put(this.#memo.count, value);
  }

  put(id: number, value: Value): void {
    if (!PickleMemo.admits(id)) throw this.#input.notDeepface(`it memoizes more than any datastore does (${id})`);
    if (this.#cache.size > 0) this.#cache.delete(id);
    if (value === this.#last && (typeof value === 'string' || value instanceof PyBytes))
      this.#memo.rememberText(id, this.#lastEncoding, this.#lastOffset, this.#lastLength);
    else if (!isSmall(value) || !this.#memo.keep(id, value)) this.#drop(id, value);
  }

  /** What an id stands for. Throws {@link DroppedObject} in a first pass. */
  get(id: number): Value {
    const cached = this.#cache.get(id);
    if (cached !== undefined) return cached;
    const memory = this.#memo.recall(id);
    switch (memory.kind) {
      case 'kept':
        return memory.value;
      case 'text':
        return this.#readAgain(id, memory);
      case 'absent':
        throw this.#input.notPickle(`memo ${id} was never set`);
      case 'dropped': {
        const value = this.#sharedValues.get(id);
        if (value === undefined) throw new DroppedObject(`memo ${id}`);
        return value;
      }
    }
  }

  /** Counts what a second pass keeps; called when a row is complete, after `steps` instructions. */
  rowEnded(steps: number): void {
    if (this.#openShares === 0) return;
    this.#sharedBytes += (this.#input.at - this.#openFrom) / 2 + steps * 64;
    this.#openShares = 0;
    if (this.#sharedBytes > SHARED_LIMIT_MB << 20)
      throw new KithError('datastore-shared-objects', { path: this.#input.path, limit: SHARED_LIMIT_MB });
  }

  #note(value: Value, encoding: Encoding): void {
    this.#last = value;
    this.#lastEncoding = encoding;
    this.#lastOffset = this.#input.argumentOffset;
    this.#lastLength = this.#input.length;
  }

  #drop(id: number, value: Value): void {
    this.#memo.drop(id);
    if (this.#shared?.has(id) !== true) return;
    this.#sharedValues.set(id, value);
    if (typeof value === 'string') this.#sharedBytes += value.length;
    if (this.#openShares++ === 0) this.#openFrom = this.#input.at;
  }

  #readAgain(id: number, memory: Memory & { kind: 'text' }): Value {
    const bytes = this.#input.readAgain(memory.offset, memory.length);
    if (memory.encoding === Encoding.BYTES) return new PyBytes(bytes);
    const text = decodeText(memory.encoding, bytes, 0, bytes.length);
    if (text === null) throw this.#input.changed();
    this.#cached += memory.length;
    if (this.#cached > CACHE_BYTES) {
      this.#cache.clear();
      this.#cached = memory.length;
    }
    this.#cache.set(id, text);
    return text;
  }
}

/** Constants that cost nothing to keep, however often a file refers to them. */
function isSmall(value: Value): boolean {
  if (value instanceof PyBytes) return value.data.length <= SMALL;
  if (typeof value === 'string') return value.length <= SMALL;
  return !(value instanceof PyList || value instanceof PyDict || value instanceof PyTuple || value instanceof PyArray);
}
