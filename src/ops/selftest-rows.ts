import type { Queryable } from '../gallery/database.js';

/** The vectors of the self-test: random directions, the same in every run. */
export class SeededVectors {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** mulberry32: 0 … 1 */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  next(dimensions: number): Float32Array {
    const vector = new Float32Array(dimensions);
    for (let at = 0; at < dimensions; at++) vector[at] = this.#next() - 0.5;
    return vector;
  }

  /** A vector at a small angle to another: the same face in another photo. */
  near(vector: Float32Array, noise: number): Float32Array {
    return vector.map((value) => value + noise * (this.#next() - 0.5));
  }
}

export interface TestPerson {
  readonly name: string;
  readonly domain: string;
}

/**
 * Rows with keys of their own choosing, far below any that a sequence gives: a sequence is not set back by a rollback,
 * and the self-test leaves no trace.
 */
export class SelftestRows {
  readonly #database: Queryable;
  #key = -2_147_483_600;

  constructor(database: Queryable) {
    this.#database = database;
  }

  async #insert(
    table: 'persons' | 'face_embeddings',
    columns: Readonly<Record<string, string | Float32Array | number>>,
  ): Promise<string> {
    const numeric = await this.#hasNumericKey(table);
    const all = numeric ? { id: this.#key++, ...columns } : columns;
    const names = Object.keys(all);
    const values = Object.values(all);
    const places = names.map((name, index) => (name === 'embedding' ? `$${index + 1}::vector` : `$${index + 1}`));
    const { rows } = await this.#database.query<{ id: string }>({
      text: `insert into ${table} (${names.join(', ')}) values (${places.join(', ')}) returning id::text as id`,
      values,
    });
    return rows[0]?.id ?? '';
  }

  readonly #numeric = new Map<string, boolean>();

  async #hasNumericKey(table: string): Promise<boolean> {
    const known = this.#numeric.get(table);
    if (known !== undefined) return known;
    const { rows } = await this.#database.query<{ numeric: boolean }>({
      text: `select atttypid::regtype::text in ('integer', 'bigint') as numeric from pg_attribute
        where attrelid = to_regclass($1) and attname = 'id'`,
      values: [table],
    });
    const numeric = rows[0]?.numeric === true;
    this.#numeric.set(table, numeric);
    return numeric;
  }

  person({ name, domain }: TestPerson): Promise<string> {
    return this.#insert('persons', { name, domain });
  }

  face(personId: string, imagePath: string, embedding: Float32Array): Promise<string> {
    return this.#insert('face_embeddings', { person_id: personId, image_path: imagePath, embedding });
  }

  async count(table: 'persons' | 'face_embeddings', column: string, value: string): Promise<number> {
    const { rows } = await this.#database.query<{ count: number }>({
      text: `select count(*)::int as count from ${table} where ${column}::text = $1`,
      values: [value],
    });
    return rows[0]?.count ?? 0;
  }

  async run(text: string, values: readonly string[]): Promise<number> {
    return (await this.#database.query({ text, values })).rowCount;
  }

  /** The SQLSTATE with which the server refuses work, which is undone; null when it does not refuse. */
  async refusal(work: () => Promise<unknown>): Promise<string | null> {
    await this.#database.query({ text: 'savepoint kith_selftest' });
    try {
      await work();
      return null;
    } catch (error) {
      return stateOf(error);
    } finally {
      await this.#database.query({ text: 'rollback to savepoint kith_selftest' });
    }
  }
}

function stateOf(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if ('code' in at && typeof at.code === 'string' && /^[0-9A-Z]{5}$/.test(at.code)) return at.code;
  throw error;
}
