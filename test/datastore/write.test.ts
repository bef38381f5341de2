import { spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type WritableRow, writeDatastore } from '#kith/datastore/write.js';
import { allRows, Folder, fixture } from './pickle-bytes.js';

const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());

const vectorOf = (seed: number, length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(seed * 7919 + i * 104729) * 3);

/** Rows of every kind: long vectors, a single number, none, odd paths, boxes of every width of integer. */
function variedRows(count: number): WritableRow[] {
  const lengths = [512, 2622, 1, 0, 1000, 1001, 2000];
  const lengthOf = (i: number): number => (i < 10 || i === count - 1 ? lengths[i % lengths.length]! : i % 13);
  return Array.from({ length: count }, (_, i) => ({
    identity: i % 11 === 3 ? null : `st/Ana Kovač \ud83d\ude00 \udce9 ${'x'.repeat((i * 37) % 300)}/${i}.jpg`,
    hash: i % 5 === 0 ? null : `${i}`.padStart(40, '0'),
    embedding: i % 7 === 2 ? null : vectorOf(i, lengthOf(i)),
    box: i % 3 === 0 ? null : { x: i, y: 255 + i, width: 65_535 + i, height: -i },
  }));
}

const asRead = (rows: readonly WritableRow[]): unknown[] =>
  rows.map(({ identity, hash, embedding, box }, row) => ({
    row,
    identity,
    hash,
    embedding: embedding === null ? null : Float32Array.from(embedding),
    malformed: false,
    box: box ?? { x: 0, y: 0, width: 0, height: 0 },
  }));

describe('the writer', () => {
  it.each([0, 1, 2, 999, 1000, 1001, 2500])('writes %i rows that come back the same, in order', async (count) => {
    const rows = variedRows(count);
    const path = join(folder.path, `${count}.pkl`);
    const report = await writeDatastore(path, [rows.slice(0, 7), rows.slice(7)]);
    expect(report).toEqual({ path, rows: count, bytes: statSync(path).size });
    expect(await allRows(path)).toEqual(asRead(rows));
  });

  it('writes an empty datastore as DeepFace does: five bytes', async () => {
    const path = join(folder.path, 'none.pkl');
    await writeDatastore(path, []);
    expect(readFileSync(path)).toEqual(fixture('empty').pickles[5]);
  });

  it('writes a row byte for byte as CPython does', async () => {
    const path = join(folder.path, 'one.pkl');
    const [pickle] = fixture('one-row').pickles.slice(5);
    await writeDatastore(path, [await allRows(folder.write(pickle!))]);
    const single = Buffer.from(pickle!);
    // CPython saves a list of one item without a mark; the frame is one byte longer here for it.
    const marked = Buffer.concat([
      single.subarray(0, 13),
      Buffer.from('('),
      single.subarray(13, -2),
      Buffer.from('e.'),
    ]);
    marked.writeBigUInt64LE(single.readBigUInt64LE(3) + 1n, 3);
    expect(readFileSync(path)).toEqual(marked);
  });

  it('goes round without loss for every layout', async () => {
    for (const name of ['F', 'E-numpy', 'D', 'C']) {
      const rows = await allRows(folder.write(fixture(name).pickles[5]!));
      const path = join(folder.path, 'round.pkl');
      await writeDatastore(path, [rows]);
      expect(await allRows(path)).toEqual(rows);
    }
  });

  it('leaves the old file alone when the rows fail, and nothing beside it', async () => {
    const path = join(folder.path, 'kept.pkl');
    await writeDatastore(path, [variedRows(3)]);
    async function* failing(): AsyncGenerator<WritableRow[]> {
      yield variedRows(2000);
      throw new Error('the source broke');
    }
    await expect(writeDatastore(path, failing())).rejects.toThrow('the source broke');
    await expect(writeDatastore(path, [variedRows(1)], { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    expect((await allRows(path)).length).toBe(3);
    expect(readdirSync(folder.path).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('is never seen half-written by a reader', async () => {
    const path = join(folder.path, 'swapped.pkl');
    await writeDatastore(path, [variedRows(10)]);
    let done = false;
    const writing = (async () => {
      for (let i = 0; i < 10; i++) await writeDatastore(path, [variedRows(10 + i * 100)]);
      done = true;
    })();
    while (!done) expect((await allRowsOrRetry(path)) % 100).toBe(10);
    await writing;
  });

  it('keeps the rights and a link of what it replaces, and says why it cannot write', async () => {
    const path = join(folder.path, 'rights.pkl');
    await writeDatastore(path, [variedRows(1)]);
    chmodSync(path, 0o664);
    symlinkSync(path, join(folder.path, 'link.pkl'));
    await writeDatastore(join(folder.path, 'link.pkl'), [variedRows(2)]);
    expect(statSync(path).mode & 0o777).toBe(0o664);
    expect((await allRows(path)).length).toBe(2);
    await expect(writeDatastore(join(folder.path, 'no', 'such.pkl'), [])).rejects.toMatchObject({
      code: 'datastore-not-written',
      message: expect.stringContaining('ENOENT'),
    });
  });

  /** Rows in the file, read again when a rename came between opening it and reading it. */
  async function allRowsOrRetry(path: string): Promise<number> {
    for (;;) {
      try {
        return (await allRows(path)).length;
      } catch (fault) {
        expect(fault).toMatchObject({ code: 'datastore-changed' });
      }
    }
  }
});

describe('CPython', () => {
  const python = ['python3', 'python'].find((name) => spawnSync(name, ['--version']).status === 0);

  it('opens what the writer wrote, with the same rows', async () => {
    if (python === undefined) {
      console.log('not checked: no python3 here to open the datastore with');
      return;
    }
    const rows = variedRows(2100).map((row) => ({ ...row, identity: row.identity?.replace('\udce9', 'é') ?? null }));
    const path = join(folder.path, 'for-python.pkl');
    await writeDatastore(path, [rows]);
    const program =
      'import pickle, json, sys\nrows = pickle.load(open(sys.argv[1], "rb"))\n' +
      'pickle._Unpickler(open(sys.argv[1], "rb")).load() == rows or sys.exit("the Python unpickler differs")\n' +
      'json.dump(rows, sys.stdout)';
    const { stdout, stderr } = spawnSync(python, ['-c', program, path], { encoding: 'utf8', maxBuffer: 1 << 28 });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(
      rows.map(({ identity, hash, embedding, box }) => ({
        identity,
        hash,
        embedding: embedding === null ? null : Array.from(embedding),
        target_x: box?.x ?? 0,
        target_y: box?.y ?? 0,
        target_w: box?.width ?? 0,
        target_h: box?.height ?? 0,
      })),
    );
  });
});
