import { inspect } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeCopy } from '#kith/gallery/copy-decode.js';
import { type CopyValue, encodeCopy } from '#kith/gallery/copy-encode.js';
import type { CopyRow, Database } from '#kith/gallery/database.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { decodeVector, encodeVector } from '#kith/gallery/vector-binary.js';
import { asSuperuser, eachBackend, onServer, serverDatabase } from '../support/database.js';
import { randomVector, seeded } from '../support/embeddings.js';

const collect = async <T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> => {
  const all: T[] = [];
  for await (const batch of batches) all.push(...batch);
  return all;
};

describe('a vector in binary', () => {
  it('comes back bit for bit', () => {
    const values = Float32Array.from([0, -0, 1.5, -2.25e-38, 3.4e38]);
    expect(decodeVector(encodeVector(values))).toEqual(values);
    // From a place that is not aligned to four bytes.
    expect(decodeVector(Buffer.concat([Buffer.from([7]), encodeVector(values)]).subarray(1))).toEqual(values);
  });

  it('is refused when its bytes are not one', () => {
    expect(() => decodeVector(Buffer.from([0, 2, 0, 0, 1]))).toThrow('not a vector');
    expect(() => decodeVector(Buffer.alloc(0))).toThrow('not a vector');
  });
});

describe('a binary copy', () => {
  it('is read back however its bytes are cut', async () => {
    const rows: CopyValue[][] = [
      [1, 'ž', null, true],
      [-2, '', 0.5, false],
    ];
    const whole = Buffer.concat(await collectChunks(encodeCopy(['int4', 'text', 'float8', 'bool'], [rows])));
    for (const size of [1, 3, 7, 1000]) {
      const read = await collect(decodeCopy(cut(whole, size)));
      const shown = read.map((row) => row.map((field) => field?.toString('hex') ?? null));
      expect(shown).toEqual([
        ['00000001', 'c5be', null, '01'],
        ['fffffffe', '', '3fe0000000000000', '00'],
      ]);
    }
  });

  async function collectChunks(chunks: AsyncIterable<Buffer>): Promise<Buffer[]> {
    const all: Buffer[] = [];
    for await (const chunk of chunks) all.push(chunk);
    return all;
  }

  async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
});

eachBackend('database', (backend) => {
  let database: Database;

  beforeAll(async () => {
    ({ database } = await backend.gallery());
    await database.query({ text: 'create table sample (id integer, vec vector(64), word text)' });
  });

  it('copies vectors in and out without changing a bit', async () => {
    const { normal } = seeded(1);
    const rows = Array.from({ length: 1000 }, (_, id) => [id, randomVector(64, normal), id % 2 ? null : `w${id}`]);
    const copied = await database.copyIn(
      { table: 'sample', columns: ['id', 'vec', 'word'] },
      encodeCopy(['int4', 'vector', 'text'], [rows.slice(0, 400), rows.slice(400)]),
    );
    expect(copied).toBe(1000);
    const read = await collect(database.copyOut('select id, vec, word from sample order by id'));
    expect(
      read.map((row: CopyRow) => [row[0]!.readInt32BE(), decodeVector(row[1]!), row[2]?.toString() ?? null]),
    ).toEqual(rows);
  });

  it('keeps nothing of a copy whose source fails, and passes its error on', async () => {
    async function* failing(): AsyncGenerator<Buffer> {
      yield* encodeCopy(['int4'], [[[-77]]]);
      throw new TypeError('the source failed');
    }
    const copying = database.copyIn({ table: 'sample', columns: ['id'] }, failing());
    await expect(copying).rejects.toThrow(TypeError);
    const { rows } = await database.query({ text: 'select from sample where id = -77' });
    expect(rows.length).toBe(0);
  });

  it('ends a copy that is left early, and goes on', async () => {
    for await (const rows of database.copyOut('select generate_series(1, 200000)')) {
      expect(rows.length).toBeGreaterThan(0);
      break;
    }
    const { rows } = await database.query({ text: 'select 1 as one' });
    expect(rows).toEqual([{ one: 1 }]);
  });

  it('commits what a transaction did, or none of it', async () => {
    await database.transaction((inside) => inside.query({ text: `insert into sample (id) values (5001)` }));
    const failing = database.transaction(async (inside) => {
      await inside.query({ text: `insert into sample (id) values (5002)` });
      // A failure that is swallowed still fails the transaction, as the server sees it.
      await inside.query({ text: 'select 1 / 0' }).catch(() => undefined);
    });
    await expect(failing).rejects.toMatchObject({ code: 'database-fault' });
    const { rows } = await database.query({ text: 'select id from sample where id > 5000' });
    expect(rows).toEqual([{ id: 5001 }]);
  });

  it('reports a fault without parameters, and with a statement that logs do not print', async () => {
    const secret = 'do-not-print-me';
    const failing = database.query({ text: 'select $1::text::integer', values: [secret] });
    const error = await failing.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'database-fault', statement: 'select $1::text::integer' });
    expect(Object.keys(error as object)).not.toContain('statement');
    expect(JSON.stringify(error)).not.toContain('$1');
    expect(inspect(error)).not.toContain('$1');
  });

  it('does many things at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        database.query<{ n: number }>({ text: 'select $1::integer as n', values: [n], name: 'echo' }),
      ),
    );
    expect(answers.map(({ rows }) => rows[0]!.n)).toEqual(Array.from({ length: 60 }, (_, n) => n));
  });

  it('refuses to work once it is closed', async () => {
    const other = await backend.gallery();
    await other.close();
    await expect(other.schema()).rejects.toMatchObject({ code: 'database-unreachable' });
  });
});

onServer('a PostgreSQL server', (server) => {
  it('is used again after it ended every connection', async () => {
    const fresh = await serverDatabase('schema', server);
    await using gallery = await openGallery({ location: fresh.location });
    await asSuperuser(
      server,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${new URL(fresh.url!).pathname.slice(1)}'`,
    );
    expect(await gallery.domains()).toEqual([]);
    await gallery.close();
    await fresh.drop();
  });

  it('is reported by address, without the password, when it is not there or does not let in', async () => {
    const connection = { host: '127.0.0.1', port: 1, user: 'u', database: 'd', password: async () => 'hidden-secret' };
    const gone = openGallery({ location: { kind: 'postgres', connection } });
    await expect(gone).rejects.toMatchObject({ code: 'database-unreachable' });
    await expect(gone).rejects.toThrow('127.0.0.1:1/d');
    const { hostname: host, port } = new URL(server);
    const location = { kind: 'postgres', connection: { ...connection, host, port: Number(port) } } as const;
    const refused = await openGallery({ location }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'database-refused' });
    expect(inspect(refused)).not.toContain('hidden-secret');
  });

  it('is told to stop what was aborted', async () => {
    const fresh = await serverDatabase('schema', server);
    await using gallery = await openGallery({ location: fresh.location });
    const stop = new AbortController();
    const sleeping = gallery.database.query({ text: 'select pg_sleep(30)' }, { signal: stop.signal });
    setTimeout(() => stop.abort(), 200);
    await expect(sleeping).rejects.toThrow(/abort/i);
    const running = async (): Promise<number> => {
      const [{ rows } = { rows: [] }] = await asSuperuser(
        server,
        `select count(*)::int as n from pg_stat_activity where query like 'select pg_sleep(30)%' and state = 'active'`,
      );
      return rows[0].n;
    };
    for (let tries = 0; tries < 100 && (await running()) > 0; tries++) await new Promise((r) => setTimeout(r, 100));
    expect(await running()).toBe(0);
    await gallery.close();
    await fresh.drop();
  });
});
