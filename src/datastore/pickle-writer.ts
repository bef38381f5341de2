import { Op } from './pickle-opcodes.js';

/** CPython closes a frame when it holds this many bytes. */
const FRAME_BYTES = 1 << 16;
/** Opcode and length of a frame. */
const FRAME_HEAD = 9;
/** Items of a list that CPython appends at once. */
const BATCH = 1000;

/**
 * Writes values as CPython's pickler does at protocol 5 (framed, every text and container memoized), into a buffer
 * that its owner drains. Opcodes never straddle frames if {@link endFrame} is called between rows.
 */
export class PickleWriter {
  #bytes = Buffer.allocUnsafeSlow(1 << 20);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;
  #frame = 0;
  #memoized = 0;

  constructor() {
    this.#op(Op.PROTO);
    this.#byte(5);
    this.#beginFrame();
  }

  emptyList(): void {
    this.#op(Op.EMPTY_LIST);
    this.#memoize();
  }

  emptyDict(): void {
    this.#op(Op.EMPTY_DICT);
    this.#memoize();
  }

  mark(): void {
    this.#op(Op.MARK);
  }

  appends(): void {
    this.#op(Op.APPENDS);
  }

  setItems(): void {
    this.#op(Op.SETITEMS);
  }

  none(): void {
    this.#op(Op.NONE);
  }

  /** Writes a text and returns its memo id. */
  text(value: string): number {
    const utf8 = encodeText(value);
    this.#reserve(5 + utf8.length);
    if (utf8.length < 256) {
      this.#op(Op.SHORT_BINUNICODE);
      this.#byte(utf8.length);
    } else {
      this.#op(Op.BINUNICODE);
      this.#used = this.#bytes.writeUInt32LE(utf8.length, this.#used);
    }
    this.#bytes.set(utf8, this.#used);
    this.#used += utf8.length;
    return this.#memoize();
  }

  /** Refers to a text written before; only the first 256 memo ids. */
  recall(id: number): void {
    this.#op(Op.BINGET);
    this.#byte(id);
  }

  integer(value: number): void {
    this.#reserve(10);
    if (value >= 0 && value < 2 ** 8) {
      this.#op(Op.BININT1);
      this.#byte(value);
    } else if (value >= 0 && value < 2 ** 16) {
      this.#op(Op.BININT2);
      this.#used = this.#bytes.writeUInt16LE(value, this.#used);
    } else if (value >= -(2 ** 31) && value < 2 ** 31) {
      this.#op(Op.BININT);
      this.#used = this.#bytes.writeInt32LE(value, this.#used);
    } else {
      this.#op(Op.LONG1);
      this.#byte(8);
      this.#used = this.#bytes.writeBigInt64LE(BigInt(value), this.#used);
    }
  }

  /** A list of floats in double precision. */
  floats(values: ArrayLike<number>): void {
    this.emptyList();
    for (let from = 0; from < values.length; from += BATCH) {
      const to = Math.min(from + BATCH, values.length);
      this.#reserve(2 + FRAME_HEAD * (to - from));
      const single = to - from === 1;
      if (!single) this.#op(Op.MARK);
      for (let i = from; i < to; i++) {
        this.#bytes[this.#used] = Op.BINFLOAT;
        this.#view.setFloat64(this.#used + 1, values[i]!);
        this.#used += 9;
      }
      this.#op(single ? Op.APPEND : Op.APPENDS);
    }
  }

  stop(): void {
    this.#op(Op.STOP);
    this.#closeFrame();
  }

  /** Closes the frame when it is long enough; true when there is enough to drain. */
  endFrame(): boolean {
    if (this.#used - this.#frame - FRAME_HEAD < FRAME_BYTES) return false;
    this.#closeFrame();
    this.#beginFrame();
    return this.#used > this.#bytes.length / 2;
  }

  /** The finished bytes so far, valid until the next call of the writer. */
  drain(): Uint8Array {
    const finished = this.#bytes.subarray(0, this.#frame);
    this.#used = 0;
    this.#beginFrame();
    return finished;
  }

  #beginFrame(): void {
    this.#frame = this.#used;
    this.#reserve(FRAME_HEAD);
    this.#used += FRAME_HEAD;
  }

  /** CPython leaves the head out when the frame has less than four bytes: an empty list has five in all. */
  #closeFrame(): void {
    const length = this.#used - this.#frame - FRAME_HEAD;
    if (length < 4) {
      this.#bytes.copyWithin(this.#frame, this.#frame + FRAME_HEAD, this.#used);
      this.#used -= FRAME_HEAD;
    } else {
      this.#bytes[this.#frame] = Op.FRAME;
      this.#view.setBigUint64(this.#frame + 1, BigInt(length), true);
    }
    this.#frame = this.#used;
  }

  #memoize(): number {
    this.#op(Op.MEMOIZE);
    return this.#memoized++;
  }

  #op(op: number): void {
    this.#reserve(1);
    this.#byte(op);
  }

  #byte(value: number): void {
    this.#bytes[this.#used++] = value;
  }

  #reserve(count: number): void {
    if (this.#used + count <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafeSlow(2 * (this.#used + count));
    wider.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = wider;
    this.#view = new DataView(wider.buffer);
  }
}

/** UTF-8 in which lone surrogates are encoded as Python's `surrogatepass` does. */
function encodeText(value: string): Uint8Array {
  if (!/\p{Surrogate}/u.test(value)) return Buffer.from(value);
  const parts = Array.from(value, (character) => {
    const code = character.codePointAt(0)!;
    const lone = code >= 0xd800 && code <= 0xdfff;
    return lone
      ? Buffer.of(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f))
      : Buffer.from(character);
  });
  return Buffer.concat(parts);
}
