import pg from 'pg';
import { asSuperuser } from './database.js';

/** The two tables of the old service, as its own set-up makes them. */
export const OLD_TABLES = `
  create table persons (
    id serial primary key, name varchar(255) not null, domain varchar(100) not null, wikidata_id varchar(50),
    occupation text, created_at timestamp default current_timestamp, updated_at timestamp default current_timestamp,
    unique (name, domain));
  create table face_embeddings (
    id serial primary key, person_id integer not null references persons (id) on delete cascade,
    image_path text not null unique, embedding vector(512) not null, confidence real,
    created_at timestamp default current_timestamp);
  create index idx_persons_domain on persons (domain);
  create index idx_persons_name on persons (name);
  create index idx_face_person on face_embeddings (person_id);`;

export const OLD_INDEX = `create index idx_face_embedding on face_embeddings using hnsw (embedding vector_cosine_ops)
  with (m = 16, ef_construction = 64)`;

const text = (values: Float32Array): string => `[${values.join(',')}]`;

/** The old service at work: its own statements, over a role that owns nothing. */
export class OldService implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #server: string;
  readonly #role: string;

  private constructor(client: pg.Client, server: string, role: string) {
    this.#client = client;
    this.#server = server;
    this.#role = role;
  }

  /** Makes the role with the rights on the two tables and their sequences, and nothing more, and connects as it. */
  static async connect(url: string): Promise<OldService> {
    const role = `kith_test_old_${Math.random().toString(36).slice(2, 10)}`;
    await asSuperuser(
      url,
      `create role ${role} login password 'old'`,
      `grant select, insert, update, delete on persons, face_embeddings to ${role}`,
      `grant usage on sequence persons_id_seq, face_embeddings_id_seq to ${role}`,
    );
    const own = new URL(url);
    own.username = role;
    own.password = 'old';
    const client = new pg.Client({ connectionString: own.href });
    await client.connect();
    return new OldService(client, url, role);
  }

  async upsertPerson(name: string, domain: string, occupation: string): Promise<number> {
    const { rows } = await this.#client.query<{ id: number }>(
      `insert into persons (name, domain, occupation) values ($1, $2, $3)
       on conflict (name, domain) do update set occupation = excluded.occupation, updated_at = current_timestamp
       returning id`,
      [name, domain, occupation],
    );
    return rows[0]!.id;
  }

  async upsertFace(personId: number, imagePath: string, embedding: Float32Array): Promise<void> {
    await this.#client.query(
      `insert into face_embeddings (person_id, image_path, embedding, confidence) values ($1, $2, $3::vector, 1.0)
       on conflict (image_path) do update set person_id = excluded.person_id, embedding = excluded.embedding`,
      [personId, imagePath, text(embedding)],
    );
  }

  async moveFace(imagePath: string, personId: number): Promise<void> {
    await this.#client.query('update face_embeddings set person_id = $2 where image_path = $1', [imagePath, personId]);
  }

  async movePerson(personId: number, domain: string): Promise<void> {
    await this.#client.query('update persons set domain = $2 where id = $1', [personId, domain]);
  }

  async deletePerson(personId: number): Promise<void> {
    await this.#client.query('delete from persons where id = $1', [personId]);
  }

  async search(embedding: Float32Array, domain: string, limit = 5): Promise<{ name: string; distance: number }[]> {
    const { rows } = await this.#client.query<{ name: string; distance: number }>(OldService.searchText, [
      text(embedding),
      domain,
      limit,
    ]);
    return rows;
  }

  static readonly searchText = `select p.name, f.image_path, f.embedding <=> $1::vector as distance
    from face_embeddings f join persons p on f.person_id = p.id
    where p.domain = $2 order by f.embedding <=> $1::vector limit $3`;

  query(statement: string, values?: unknown[]): Promise<pg.QueryResult> {
    return this.#client.query(statement, values);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
    await asSuperuser(this.#server, `drop owned by ${this.#role}`, `drop role ${this.#role}`);
  }
}
