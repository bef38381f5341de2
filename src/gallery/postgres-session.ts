import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { KithError } from '../errors.js';
import { decodeCopy } from './copy-decode.js';
import type { CopyRow, CopyTarget, DatabaseKind, Queryable, QueryOptions, QueryResult, Statement } from './database.js';
import { databaseFault } from './database-fault.js';
import { driverValue, identifier } from './sql-values.js';

/** Asks the server to stop what a connection is doing; must not throw. */
export type CancelStatement = (client: pg.ClientBase) => Promise<void>;

/**
 * Settles with `work`, or rejects at once when the signal fires; then the statement is cancelled and `work` is left to
 * end on its own.
 */
async function orAborted<T>(
  work: Promise<T>,
  cancel: () => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return work;
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      void cancel();
      reject(signal.reason);
    };
    signal.addEventListener('abort', stop, { once: true });
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}

export interface SessionOptions {
  readonly kind: DatabaseKind;
  /** For messages. */
  readonly address: string;
  readonly cancel: CancelStatement;
}

/** Statements and copies over one connection. */
export class PostgresSession implements Queryable {
  readonly kind: DatabaseKind;
  readonly #client: pg.ClientBase;
  readonly #options: SessionOptions;
  #spoilt = false;

  constructor(client: pg.ClientBase, options: SessionOptions) {
    this.kind = options.kind;
    this.#client = client;
    this.#options = options;
  }

  /** True once a statement was cancelled: a late cancel could hit the next user of the connection, so it must go. */
  get spoilt(): boolean {
    return this.#spoilt;
  }

  async query<Row extends object = Record<string, unknown>>(
    statement: Statement,
    options?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    options?.signal?.throwIfAborted();
    const { text, values, name } = statement;
    const config = { text, ...(values === undefined ? {} : { values: values.map(driverValue) }) };
    const work = this.#client.query<Row & pg.QueryResultRow>(name === undefined ? config : { ...config, name });
    const result = await orAborted(work, () => this.#stop(), options?.signal).catch((error) => this.#fail(error, text));
    // Several statements in one text answer an array; its last result is the one that counts.
    const last = Array.isArray(result) ? (result as (typeof result)[]).at(-1)! : result;
    return { rows: last.rows, rowCount: last.rowCount ?? 0 };
  }

  /** Commits; a transaction in which a statement failed cannot be, however that failure was taken. */
  async commit(): Promise<void> {
    const { command } = await this.#client.query('commit').catch((error) => this.#fail(error, 'commit'));
    if (command === 'COMMIT') return;
    throw new KithError('database-fault', { why: 'a statement of the transaction had failed', state: '25P02' });
  }

  async copyIn(
    target: CopyTarget,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: QueryOptions,
  ): Promise<number> {
    const columns = target.columns.map(identifier).join(', ');
    const text = `copy ${identifier(target.table)} (${columns}) from stdin (format binary)`;
    const source = new CopySource(chunks);
    const copy = this.#client.query(copyFrom(text));
    const signal = options?.signal;
    await pipeline(Readable.from(source.read()), copy, signal === undefined ? {} : { signal }).catch((error) =>
      source.failed ? Promise.reject(source.failure) : this.#fail(error, text),
    );
    return copy.rowCount;
  }

  async *copyOut(query: string, options?: QueryOptions): AsyncGenerator<readonly CopyRow[], void, undefined> {
    options?.signal?.throwIfAborted();
    const copy = this.#client.query(copyTo(`copy (${query}) to stdout (format binary)`));
    let done = false;
    const stop = (): void => void this.#stop().then(() => copy.destroy(options?.signal?.reason));
    options?.signal?.addEventListener('abort', stop, { once: true });
    try {
      for await (const rows of decodeCopy(copy)) yield rows;
      done = true;
    } catch (error) {
      this.#fail(error, query);
    } finally {
      options?.signal?.removeEventListener('abort', stop);
      // Left early: the rest of the copy is on its way, and only the end of the connection stops it.
      if (!done) await this.#stop();
    }
  }

  async #stop(): Promise<void> {
    this.#spoilt = true;
    await this.#options.cancel(this.#client);
  }

  #fail(error: unknown, text: string): never {
    throw databaseFault(error, this.#options.address, text);
  }
}

/** Chunks on their way into a copy, remembering whether it was their source that failed: its error is the caller's own. */
class CopySource {
  readonly #chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  failed = false;
  failure: unknown;

  constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#chunks = chunks;
  }

  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* this.#chunks;
    } catch (error) {
      this.failed = true;
      this.failure = error;
      throw error;
    }
  }
}
