import { randomUUID } from 'node:crypto';
import type { Queryable } from '../gallery/database.js';
import type { BulkState } from './metric-states.js';

type Asked = Pick<Queryable, 'query'>;

/** The database hears of progress at most this often. */
const TELL_EVERY = 1_000;

/** Tells the database how far a run is, off the run's own path: a failure to tell is no failure of the run. */
export class BulkProgress implements AsyncDisposable {
  readonly #database: Asked;
  readonly #kind: BulkState['kind'];
  readonly #ids = new Map<string, string>();
  #toldAt = 0;
  #telling: Promise<unknown> = Promise.resolve();
  #busy = false;

  constructor(database: Asked, kind: BulkState['kind']) {
    this.#database = database;
    this.#kind = kind;
  }

  update(domain: string, done: number, total: number | null): void {
    const now = Date.now();
    if (this.#busy || now - this.#toldAt < TELL_EVERY) return;
    this.#toldAt = now;
    this.#busy = true;
    const id = this.#ids.get(domain) ?? randomUUID();
    this.#ids.set(domain, id);
    this.#telling = this.#database
      .query({
        text: `insert into kith_bulk_progress (id, kind, domain, done, total) values ($1, $2, $3, $4, $5)
          on conflict (id) do update set done = excluded.done, total = excluded.total, updated_at = now()`,
        values: [id, this.#kind, domain, done, total],
      })
      .catch(() => undefined)
      .finally(() => {
        this.#busy = false;
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#telling;
    if (this.#ids.size === 0) return;
    const statement = {
      text: 'delete from kith_bulk_progress where id = any($1::uuid[])',
      values: [[...this.#ids.values()]],
    };
    await this.#database.query(statement).catch(() => undefined);
  }
}

/** The runs that told something within the last hour. */
export async function readBulkProgress(database: Asked): Promise<readonly BulkState[]> {
  const { rows } = await database.query<{
    kind: BulkState['kind'];
    domain: string;
    done: string;
    total: string | null;
  }>({
    text: `select kind, domain, done::text as done, total::text as total from kith_bulk_progress
      where updated_at > now() - interval '1 hour' order by started_at`,
    repeatable: true,
  });
  return rows.map(({ kind, domain, done, total }) => ({
    kind,
    domain,
    done: Number(done),
    total: total === null ? null : Number(total),
  }));
}
