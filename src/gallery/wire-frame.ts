/**
 * PostgreSQL's frontend protocol, as far as somebody who passes messages on must know it.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** A message: its type byte, and the whole of it with type and length. */
export interface Frame {
  readonly type: string;
  readonly bytes: Buffer;
}

const TYPE_AND_LENGTH = 5;
// Larger than any statement that the backend takes (PGlite's buffer ends at 1 GiB).
const LARGEST = 512 * 1024 * 1024;

/** Takes whole messages off the front of a byte stream. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
  }

  /** The first message of a connection has no type byte; undefined until all of it is there. */
  startup(): Buffer | undefined {
    return this.#take(0);
  }

  next(): Frame | undefined {
    const bytes = this.#take(1);
    return bytes === undefined ? undefined : { type: String.fromCharCode(bytes[0]!), bytes };
  }

  #take(lengthAt: 0 | 1): Buffer | undefined {
    if (this.#rest.length < lengthAt + 4) return undefined;
    const length = lengthAt + this.#rest.readInt32BE(lengthAt);
    if (length < lengthAt + 4 || length > LARGEST) throw new RangeError('not a message of the PostgreSQL protocol');
    if (this.#rest.length < length) return undefined;
    const bytes = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return bytes;
  }
}

/** A message of a type with a body. */
export function frame(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(TYPE_AND_LENGTH);
  head.write(type, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

const cstring = (text: string): Buffer => Buffer.from(`${text}\0`);

export const queryFrame = (text: string): Buffer => frame('Q', cstring(text));
export const closeStatementFrame = (name: string): Buffer => frame('C', cstring(`S${name}`));
export const SYNC: Buffer = frame('S', Buffer.alloc(0));

/** An ErrorResponse; the connection goes on after the ReadyForQuery that must follow. */
export const errorFrame = (state: string, message: string): Buffer =>
  frame('E', Buffer.from(`SERROR\0VERROR\0C${state}\0M${message}\0\0`));

export const readyFrame = (status: string): Buffer => frame('Z', Buffer.from(status));

/** CopyInResponse: overall format, and no columns told, which clients allow. */
export const copyInFrame = (binary: boolean): Buffer => frame('G', Buffer.from([binary ? 1 : 0, 0, 0]));

function cstringAt(bytes: Buffer, offset: number): string {
  return bytes.toString('utf8', offset, bytes.indexOf(0, offset));
}

/** The text of a simple query. */
export const queryText = ({ bytes }: Frame): string => cstringAt(bytes, TYPE_AND_LENGTH);

/** Where in a message the name of a prepared statement starts; undefined when it holds none. */
function statementNameAt({ type, bytes }: Frame): number | undefined {
  switch (type) {
    case 'P':
      return TYPE_AND_LENGTH;
    case 'B':
      return bytes.indexOf(0, TYPE_AND_LENGTH) + 1;
    case 'D':
    case 'C':
      return bytes[TYPE_AND_LENGTH] === 'S'.charCodeAt(0) ? TYPE_AND_LENGTH + 1 : undefined;
    default:
      return undefined;
  }
}

/** The prepared statement that a message names; undefined for none and for the unnamed one. */
export function statementName(message: Frame): string | undefined {
  const at = statementNameAt(message);
  const name = at === undefined ? '' : cstringAt(message.bytes, at);
  return name === '' ? undefined : name;
}

/** The same message with a prefix before the name of its prepared statement, so that clients' names keep apart. */
export function prefixStatement(message: Frame, prefix: string): Frame {
  if (statementName(message) === undefined) return message;
  const at = statementNameAt(message)!;
  const { type, bytes } = message;
  const body = Buffer.concat([bytes.subarray(TYPE_AND_LENGTH, at), Buffer.from(prefix), bytes.subarray(at)]);
  return { type, bytes: frame(type, body) };
}

/** The transaction status of the ReadyForQuery that ends an answer: I idle, T in a transaction, E in a failed one. */
export function statusAtEnd(answer: Buffer): string | undefined {
  const at = answer.length - 6;
  return at >= 0 && answer[at] === 'Z'.charCodeAt(0) && answer.readInt32BE(at + 1) === 5
    ? String.fromCharCode(answer[at + 5]!)
    : undefined;
}
