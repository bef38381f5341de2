// The protobuf wire format, as far as ONNX needs it: https://protobuf.dev/programming-guides/encoding
const WIRE = { varint: 0, bytes: 2, fixed32: 5 } as const;

const utf8 = new TextEncoder();

/** Appends a varint; negative numbers are written as 64-bit two's complement, as protobuf's int64 asks. */
function pushVarint(into: number[], value: number): void {
  if (!Number.isSafeInteger(value)) throw new Error(`protobuf: ${value} is not an integer`);
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    into.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  into.push(Number(rest));
}

/**
 * Writes one protobuf message. Byte fields are kept by reference and copied once, by {@link finish}, so that a model
 * with 100 MB of weights costs that much once. Nested messages are taken over when added: later changes to them show.
 */
export class ProtobufWriter {
  readonly #chunks: (Uint8Array | ProtobufWriter)[] = [];
  #open: number[] = [];

  #tag(field: number, wire: number): void {
    pushVarint(this.#open, field * 8 + wire);
  }

  #seal(): void {
    if (this.#open.length === 0) return;
    this.#chunks.push(Uint8Array.from(this.#open));
    this.#open = [];
  }

  integer(field: number, value: number): void {
    this.#tag(field, WIRE.varint);
    pushVarint(this.#open, value);
  }

  float(field: number, value: number): void {
    this.#tag(field, WIRE.fixed32);
    this.#open.push(...new Uint8Array(Float32Array.of(value).buffer));
  }

  string(field: number, value: string): void {
    this.bytes(field, utf8.encode(value));
  }

  packed(field: number, values: readonly number[]): void {
    const body: number[] = [];
    for (const value of values) pushVarint(body, value);
    this.bytes(field, Uint8Array.from(body));
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, WIRE.bytes);
    pushVarint(this.#open, value.length);
    this.#seal();
    this.#chunks.push(value);
  }

  /** `value` must be complete: its length is written here. */
  message(field: number, value: ProtobufWriter): void {
    this.#tag(field, WIRE.bytes);
    pushVarint(this.#open, value.length);
    this.#seal();
    this.#chunks.push(value);
  }

  get length(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, this.#open.length);
  }

  finish(): Uint8Array {
    const result = new Uint8Array(this.length);
    this.#copy(result, 0);
    return result;
  }

  #copy(into: Uint8Array, from: number): number {
    this.#seal();
    let offset = from;
    for (const chunk of this.#chunks) {
      if (chunk instanceof Uint8Array) into.set(chunk, offset);
      else chunk.#copy(into, offset);
      offset += chunk.length;
    }
    return offset;
  }
}
