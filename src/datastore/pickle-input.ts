import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { KithError } from '../errors.js';
import { ARGUMENTS, Argument } from './pickle-opcodes.js';

/** Bytes read at a time. */
const CHUNK = 1 << 20;
/** Below this many bytes in the window the next chunk is waited for; longer arguments are read at once when they come. */
const LOW_WATER = 1 << 16;
/** The longest argument of one instruction, and the most bytes between two rows: far above any model's row. */
export const ROW_BYTES_LIMIT = 1 << 24;
const LINE_FEED = 0x0a;

/**
 * A window that slides over a pickle's file and finds its instructions. It never holds more than a chunk and the
 * argument at hand: a declared length is held against the bytes that the file has before anything is made for it.
 */
export class PickleInput {
  readonly path: string;
  readonly size: number;
  /** The window; `position` to `end` is not read yet. Both move when the window slides. */
  bytes: Buffer;
  view: DataView;
  position = 0;
  end = 0;
  /** Offset in the file of the instruction at hand. */
  at = 0;
  /** Window index and length of its argument. */
  argument = 0;
  length = 0;
  readonly #file: FileHandle;
  /** Offset in the file of the window's first byte. */
  #base = 0;
  #reread = 0;

  constructor(file: FileHandle, path: string, size: number) {
    this.#file = file;
    this.path = path;
    this.size = size;
    this.bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK + LOW_WATER, size));
    this.view = new DataView(this.bytes.buffer);
  }

  /** Offset in the file of the next byte to read. */
  get offset(): number {
    return this.#base + this.position;
  }

  /** Offset in the file of the argument at hand. */
  get argumentOffset(): number {
    return this.#base + this.argument;
  }

  /** True while the window holds enough to go on without waiting for the disk. */
  get ready(): boolean {
    return this.end - this.position >= LOW_WATER || this.#base + this.end >= this.size;
  }

  /** Slides the window and fills it, without blocking. */
  async refill(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#slide(0);
    const { bytesRead } = await this.#file.read(
      this.bytes,
      this.end,
      this.bytes.length - this.end,
      this.#base + this.end,
    );
    this.#arrived(bytesRead);
  }

  /** Goes to the next instruction and returns its opcode; `argument` and `length` then tell its argument. */
  next(): number {
    if (this.position >= this.end) this.#need(1, 'an instruction');
    this.at = this.#base + this.position;
    const op = this.bytes[this.position]!;
    const shape = ARGUMENTS[op]!;
    if (shape <= 0) this.position += 1;
    else if (shape < Argument.COUNT1) this.#fixed(shape);
    else if (shape <= Argument.COUNT8) this.#counted(1 << (shape === Argument.COUNT1 ? 0 : shape - 15));
    else this.#line(shape === Argument.TWO_LINES ? 2 : 1);
    return op;
  }

  /** The bytes at an offset that was read before, copied; used when an evicted text is referred to again. */
  readAgain(offset: number, length: number): Buffer {
    this.#reread += length;
    if (this.#reread > 4 * this.size + ROW_BYTES_LIMIT)
      throw this.notDeepface('it refers to its texts again and again');
    const copy = Buffer.allocUnsafeSlow(length);
    const inWindow = offset - this.#base;
    if (inWindow >= 0 && inWindow + length <= this.end) this.bytes.copy(copy, 0, inWindow, inWindow + length);
    else if (readSync(this.#file.fd, copy, 0, length, offset) !== length) throw this.changed();
    return copy;
  }

  truncated(what: string): KithError {
    return new KithError('datastore-truncated', { path: this.path, offset: this.size, what });
  }

  notPickle(why: string, offset = this.at): KithError {
    return new KithError('datastore-not-pickle', { path: this.path, why, offset });
  }

  notDeepface(why: string, offset = this.at): KithError {
    return new KithError('datastore-not-deepface', { path: this.path, why, offset });
  }

  changed(): KithError {
    return new KithError('datastore-changed', { path: this.path });
  }

  #fixed(length: number): void {
    if (this.end - this.position < 1 + length) this.#need(1 + length, 'a number');
    this.argument = this.position + 1;
    this.length = length;
    this.position += 1 + length;
  }

  /** An argument after its own length of `width` bytes, little-endian. */
  #counted(width: number): void {
    if (this.end - this.position < 1 + width) this.#need(1 + width, 'a length');
    const at = this.position + 1;
    const count =
      width === 1
        ? this.bytes[at]!
        : this.view.getUint32(at, true) + (width === 8 ? this.view.getUint32(at + 4, true) * 2 ** 32 : 0);
    const whole = 1 + width + count;
    if (this.end - this.position < whole) this.#need(whole, `a text or array of ${count} bytes`);
    this.argument = this.position + 1 + width;
    this.length = count;
    this.position += whole;
  }

  /** An argument that ends with its last line feed, which is not part of it. */
  #line(lines: number): void {
    let length = 1;
    for (let found = 0; found < lines; length++) {
      if (this.position + length >= this.end) this.#need(length + 1, 'a line');
      if (this.bytes[this.position + length] === LINE_FEED) found++;
    }
    this.argument = this.position + 1;
    this.length = length - 2;
    this.position += length;
  }

  /** Waits for the disk until `count` bytes from the position are in the window. */
  #need(count: number, what: string): void {
    if (this.offset + count > this.size) throw this.truncated(what);
    if (count > ROW_BYTES_LIMIT) throw this.notDeepface(`${what} is longer than any row's`, this.offset);
    this.#slide(count);
    while (this.end - this.position < count) {
      const read = readSync(this.#file.fd, this.bytes, this.end, this.bytes.length - this.end, this.#base + this.end);
      this.#arrived(read);
    }
  }

  #arrived(bytesRead: number): void {
    if (bytesRead === 0 && this.#base + this.end < this.size) throw this.changed();
    this.end = Math.min(this.end + bytesRead, this.size - this.#base);
  }

  /** Moves what is unread to the window's front, and widens a window that could not hold `count` bytes. */
  #slide(count: number): void {
    const unread = this.bytes.subarray(this.position, this.end);
    if (count > this.bytes.length) {
      const wider = Buffer.allocUnsafeSlow(count + CHUNK);
      wider.set(unread);
      this.bytes = wider;
      this.view = new DataView(wider.buffer);
    } else this.bytes.copyWithin(0, this.position, this.end);
    this.#base += this.position;
    this.end -= this.position;
    this.position = 0;
  }
}
