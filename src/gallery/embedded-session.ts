import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { EmbeddedBackend } from './embedded-backend.js';
import {
  closeStatementFrame,
  copyInFrame,
  errorFrame,
  type Frame,
  FrameReader,
  frame,
  prefixStatement,
  queryFrame,
  queryText,
  readyFrame,
  SYNC,
  statementName,
} from './wire-frame.js';

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const COPY_FROM_STDIN = /^\s*copy\b(?<what>.*)\bfrom\s+stdin\b/is;

const FAILED_COPY = "do $$ begin raise exception 'COPY from stdin failed' using errcode = '57014'; end $$";

/** Where the rows of a COPY wait until all of them are there: the backend can read only a whole file. */
interface Spool {
  readonly statement: string;
  readonly path: string;
  readonly file: number;
}

export interface SpoolFolder {
  /** The folder as this process sees it, and as the backend does. */
  readonly outside: string;
  readonly inside: string;
}

let sessions = 0;

/** What a server says once a client is let in. Only the owner's user can connect, so nobody is asked for a password. */
function greeting(id: number, serverVersion: string): Buffer {
  const settings = {
    server_version: serverVersion,
    server_encoding: 'UTF8',
    client_encoding: 'UTF8',
    DateStyle: 'ISO, MDY',
    TimeZone: 'UTC',
    integer_datetimes: 'on',
    standard_conforming_strings: 'on',
  };
  const key = Buffer.alloc(8);
  key.writeInt32BE(id, 0);
  const said = Object.entries(settings).map(([name, value]) => frame('S', Buffer.from(`${name}\0${value}\0`)));
  return Buffer.concat([frame('R', Buffer.alloc(4)), ...said, frame('K', key), readyFrame('I')]);
}

/** One client of the embedded database: gathers its messages into batches and hands them to the one backend. */
export class EmbeddedSession {
  readonly #id = ++sessions;
  readonly #socket: Socket;
  readonly #backend: EmbeddedBackend;
  readonly #spools: SpoolFolder;
  readonly #serverVersion: () => string;
  readonly #reader = new FrameReader();
  readonly #statements = new Set<string>();
  #batch: Buffer[] = [];
  #started = false;
  #spool: Spool | undefined;

  constructor(socket: Socket, backend: EmbeddedBackend, spools: SpoolFolder, serverVersion: () => string) {
    this.#socket = socket;
    this.#backend = backend;
    this.#spools = spools;
    this.#serverVersion = serverVersion;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#leave());
  }

  end(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.push(chunk);
      while (!this.#started) {
        const message = this.#reader.startup();
        if (message === undefined) return;
        this.#start(message.readInt32BE(4));
      }
      for (let message = this.#reader.next(); message !== undefined; message = this.#reader.next()) this.#take(message);
    } catch {
      // Not our protocol: nothing sensible can be answered.
      this.#socket.destroy();
    }
  }

  #start(code: number): void {
    switch (code) {
      case SSL_REQUEST:
      case GSS_REQUEST:
        this.#socket.write('N');
        return;
      case CANCEL_REQUEST:
        // The backend cannot be interrupted; a client that gives up disconnects.
        this.#socket.destroy();
        return;
      default:
        this.#started = true;
        this.#submit(queryFrame(''), () => this.#send(greeting(this.#id, this.#serverVersion())));
    }
  }

  #take(message: Frame): void {
    if (this.#spool !== undefined) {
      this.#takeCopy(message, this.#spool);
      return;
    }
    switch (message.type) {
      case 'Q':
        this.#takeQuery(message);
        break;
      case 'X':
        this.#socket.end();
        break;
      case 'S':
      case 'H':
        this.#batch.push(message.bytes);
        this.#submit(Buffer.concat(this.#batch), (bytes) => this.#send(bytes), message.type === 'H');
        this.#batch = [];
        break;
      default:
        this.#gather(message);
    }
  }

  #gather(message: Frame): void {
    const prefixed = prefixStatement(message, `s${this.#id}_`);
    const name = statementName(prefixed);
    if (name !== undefined && message.type === 'P') this.#statements.add(name);
    if (name !== undefined && message.type === 'C') this.#statements.delete(name);
    this.#batch.push(prefixed.bytes);
  }

  #takeQuery(message: Frame): void {
    const text = queryText(message);
    if (!COPY_FROM_STDIN.test(text)) {
      this.#submit(message.bytes, (bytes) => this.#send(bytes));
      return;
    }
    const name = `copy-${this.#id}-${Date.now()}`;
    const path = join(this.#spools.outside, name);
    const inside = `${this.#spools.inside}/${name}`;
    const statement = text.replace(COPY_FROM_STDIN, (whole) => whole.replace(/\bstdin$/i, `'${inside}'`));
    this.#spool = { statement, path, file: openSync(path, 'wx', 0o600) };
    this.#send(copyInFrame(/\bbinary\b/i.test(text)));
  }

  #takeCopy(message: Frame, spool: Spool): void {
    switch (message.type) {
      case 'd':
        writeSync(spool.file, message.bytes, 5);
        break;
      case 'c':
        this.#spool = undefined;
        closeSync(spool.file);
        this.#submit(queryFrame(spool.statement), (bytes) => {
          rmSync(spool.path, { force: true });
          this.#send(bytes);
        });
        break;
      case 'f':
        this.#dropSpool();
        // Inside a transaction a failed copy fails the transaction: the backend itself must say it.
        this.#submit(queryFrame(FAILED_COPY), (bytes) => this.#send(bytes));
        break;
      default:
    }
  }

  #submit(messages: Buffer, answer: (bytes: Buffer) => void, open = false): void {
    this.#backend.submit({ session: this, messages, open, answer });
  }

  #send(bytes: Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  #dropSpool(): void {
    if (this.#spool === undefined) return;
    closeSync(this.#spool.file);
    rmSync(this.#spool.path, { force: true });
    this.#spool = undefined;
  }

  #leave(): void {
    this.#dropSpool();
    const closes = [...this.#statements].map(closeStatementFrame);
    this.#backend.leave(this, closes.length === 0 ? undefined : Buffer.concat([...closes, SYNC]));
  }

  /** Tells the client that the database ends, as a server that shuts down does. */
  dismiss(): void {
    this.#send(errorFrame('57P01', 'the owner of the embedded database ends'));
    this.#socket.end();
  }
}
