/**
 * What the gallery needs of a database, over both kinds: a PostgreSQL server through `pg`, and the embedded one
 * (PGlite in a worker thread). Everything else in this room is written against these types.
 */

export type DatabaseKind = 'postgres' | 'embedded';

/**
 * A parameter. A `Float32Array` travels in pgvector's binary format (cast it in the text: `$1::vector`),
 * a `Uint8Array` in the binary format of the parameter's type (for `bytea`: the bytes themselves).
 * In results a `vector` is text; select `vector_send(embedding)` and read it with `decodeVector`, or use `copyOut`.
 */
export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Uint8Array
  | Float32Array
  | readonly (string | number | boolean | null)[];

export interface Statement {
  readonly text: string;
  readonly values?: readonly SqlValue[];
  /** A name makes it a prepared statement: parsed once per connection. One name, one text. */
  readonly name?: string;
  /** May be sent again when the connection broke under it. Unset, only statements that never reached a server are. */
  readonly repeatable?: boolean;
}

export interface QueryResult<Row> {
  readonly rows: Row[];
  /** Rows returned, or changed by a statement that returns none. */
  readonly rowCount: number;
}

export interface QueryOptions {
  /** Cancels the statement on the server; outside a transaction nothing of it survives. */
  readonly signal?: AbortSignal;
}

export interface CopyTarget {
  readonly table: string;
  readonly columns: readonly string[];
}

export type CopyRow = readonly (Buffer | null)[];

export interface Queryable {
  readonly kind: DatabaseKind;
  query<Row extends object = Record<string, unknown>>(
    statement: Statement,
    options?: QueryOptions,
  ): Promise<QueryResult<Row>>;
  /**
   * `COPY … FROM STDIN (FORMAT binary)`: the chunks together are one whole stream as `CopyEncoder` makes it, with
   * header and trailer. Answers the number of rows. When `chunks` throws, the copy fails and nothing of it stays.
   */
  copyIn(
    target: CopyTarget,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: QueryOptions,
  ): Promise<number>;
  /**
   * `COPY (query) TO STDOUT (FORMAT binary)`, streamed: batches of rows, each field its binary value or null
   * (a vector: `decodeVector`). The query takes no parameters: quote with `literal`. Ends the copy when left early.
   */
  copyOut(query: string, options?: QueryOptions): AsyncIterable<readonly CopyRow[]>;
}

export interface TransactionOptions extends QueryOptions {
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  readonly readOnly?: boolean;
}

/** Connections in all and idle, callers that wait for one, and how many there may be. */
export interface DatabaseLoad {
  readonly total: number;
  readonly idle: number;
  readonly waiting: number;
  readonly limit: number;
}

export interface Database extends Queryable, AsyncDisposable {
  readonly load: DatabaseLoad;
  /**
   * Runs `work` in a transaction on one connection: committed when it resolves, rolled back when it throws.
   * The embedded database has one backend: while a transaction is open, everybody else waits.
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Runs `work` on one connection without a transaction, for statements that allow none. */
  session<T>(work: (session: Queryable) => Promise<T>, options?: QueryOptions): Promise<T>;
  close(): Promise<void>;
}
