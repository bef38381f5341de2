import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { KithError } from '../errors.js';
import type {
  CopyRow,
  CopyTarget,
  Database,
  DatabaseKind,
  DatabaseLoad,
  Queryable,
  QueryOptions,
  QueryResult,
  Statement,
  TransactionOptions,
} from './database.js';
import { databaseFault, isBroken, stateOf, TRANSIENT_STATES } from './database-fault.js';
import { type CancelStatement, PostgresSession } from './postgres-session.js';
import { RESULT_TYPES } from './sql-values.js';

export interface PoolOptions {
  readonly kind: DatabaseKind;
  /** For messages. */
  readonly address: string;
  readonly client: pg.ClientConfig;
  /** Connections at most. */
  readonly size: number;
  readonly cancel: CancelStatement;
  /** Runs before a connection is taken: the embedded database makes sure that somebody owns it. */
  readonly prepare?: () => Promise<void>;
  /** Runs when the database closes, after the pool. */
  readonly release?: () => Promise<void>;
}

const ATTEMPTS = 4;
const IDLE_MS = 30_000;
const WAITING_PER_CONNECTION = 20;

/** Timestamps without zone are read and written as UTC. */
const SESSION = `set timezone = 'UTC'`;

type Work<T> = (session: PostgresSession) => Promise<T>;

/** Databases that speak PostgreSQL's protocol, over a pool of connections. */
export class PostgresDatabase implements Database {
  readonly kind: DatabaseKind;
  readonly #options: PoolOptions;
  readonly #pool: pg.Pool;
  #closing: Promise<void> | undefined;

  constructor(options: PoolOptions) {
    this.kind = options.kind;
    this.#options = options;
    this.#pool = new pg.Pool({
      connectionTimeoutMillis: 15_000,
      idleTimeoutMillis: IDLE_MS,
      keepAlive: true,
      ...options.client,
      types: RESULT_TYPES,
      max: options.size,
      onConnect: (client) => client.query(SESSION) as unknown as undefined,
    });
    // An idle connection that breaks is dropped by the pool; the next statement makes a new one.
    this.#pool.on('error', () => undefined);
    // One in use has only this listener: its statement fails, and without the listener the process would end.
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  async query<Row extends object = Record<string, unknown>>(
    statement: Statement,
    options?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const { signal } = options ?? {};
    return retrying(
      async () => this.#run((session) => session.query<Row>(statement, options), await this.#connectRetrying(signal)),
      // What the server undid by itself may be sent again; after a broken connection only a repeatable statement may.
      (error) => (isLost(error) ? (statement.repeatable ?? false) : TRANSIENT_STATES.has(stateOf(error))),
      signal,
    );
  }

  async copyIn(
    target: CopyTarget,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: QueryOptions,
  ): Promise<number> {
    // The chunks can be read only once, so nothing is tried again.
    return this.#once((session) => session.copyIn(target, chunks, options), options?.signal);
  }

  async *copyOut(query: string, options?: QueryOptions): AsyncGenerator<readonly CopyRow[], void, undefined> {
    const client = await this.#connectRetrying(options?.signal);
    const session = new PostgresSession(client, this.#options);
    let broken = true;
    try {
      yield* session.copyOut(query, options);
      broken = false;
    } finally {
      client.release(broken || session.spoilt);
    }
  }

  async transaction<T>(work: (transaction: Queryable) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return this.#once((session) => runTransaction(session, work, options), options?.signal);
  }

  async session<T>(work: (session: Queryable) => Promise<T>, options?: QueryOptions): Promise<T> {
    return this.#once(work, options?.signal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#pool.end().then(() => this.#options.release?.());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get load(): DatabaseLoad {
    const { size: limit } = this.#options;
    return { total: this.#pool.totalCount, idle: this.#pool.idleCount, waiting: this.#pool.waitingCount, limit };
  }

  async #once<T>(work: Work<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#run(work, await this.#connectRetrying(signal));
  }

  async #run<T>(work: Work<T>, client: pg.PoolClient): Promise<T> {
    const session = new PostgresSession(client, this.#options);
    let lost = false;
    try {
      return await work(session);
    } catch (error) {
      lost = isLost(error);
      throw error;
    } finally {
      client.release(lost || session.spoilt);
    }
  }

  async #connect(signal: AbortSignal | undefined): Promise<pg.PoolClient> {
    signal?.throwIfAborted();
    const { address, size } = this.#options;
    if (this.#closing !== undefined) throw new KithError('database-unreachable', { address, why: 'it was closed' });
    await this.#options.prepare?.();
    if (this.#pool.waitingCount >= size * WAITING_PER_CONNECTION)
      throw new KithError('database-busy', { why: `${this.#pool.waitingCount} callers wait for a connection` });
    return this.#pool.connect().catch((error: unknown) => {
      throw databaseFault(error, address);
    });
  }

  async #connectRetrying(signal: AbortSignal | undefined): Promise<pg.PoolClient> {
    const isTransient = (error: unknown): boolean => isBroken(error) || TRANSIENT_STATES.has(stateOf(error));
    return retrying(() => this.#connect(signal), isTransient, signal);
  }
}

/** The connection is gone, and whether its last statement took effect is unknown. */
const isLost = (error: unknown): boolean => isBroken(error) || stateOf(error).startsWith('57P0');

async function retrying<T>(
  work: () => Promise<T>,
  isTransient: (error: unknown) => boolean,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isTransient(error)) throw error;
      const wait = TRANSIENT_STATES.get(stateOf(error)) ?? 100;
      await delay(wait * attempt, undefined, signal === undefined ? undefined : { signal });
    }
  }
}

function begin(options: TransactionOptions | undefined): string {
  const isolation = options?.isolation === undefined ? '' : ` isolation level ${options.isolation}`;
  return `begin${isolation}${options?.readOnly === true ? ' read only' : ''}`;
}

async function runTransaction<T>(
  session: PostgresSession,
  work: (transaction: Queryable) => Promise<T>,
  options: TransactionOptions | undefined,
): Promise<T> {
  await session.query({ text: begin(options) }, options);
  try {
    const result = await work(session);
    await session.commit();
    return result;
  } catch (error) {
    // A lost or cancelled connection is dropped, which rolls back.
    if (!session.spoilt && !isLost(error)) await session.query({ text: 'rollback' }).catch(() => undefined);
    throw error;
  }
}
