import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { ExactFaces } from '#kith/datastore/exact-faces.js';
import type { ExactIndex, ExactIndexStatus } from '#kith/datastore/exact-index.js';
import { ExactMatrix } from '#kith/datastore/exact-matrix.js';
import { openExactSearch } from '#kith/datastore/exact-search.js';
import type { DatastoreRow } from '#kith/datastore/row.js';
import { writeDatastore } from '#kith/datastore/write.js';
import { vectorDistance } from '#kith/embedding/distance.js';
import type { Metric } from '#kith/embedding/space.js';
import { Folder } from './pickle-bytes.js';

const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());

let seed = 3;
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32 - 0.5;
};
const randomVector = (dimensions: number, scale = 1): Float32Array =>
  Float32Array.from({ length: dimensions }, () => random() * scale);

/** A gallery of `persons` with about `faces` faces: lengths differ, some images have two faces. */
function gallery(dimensions: number, faces: number, persons: number): DatastoreRow[] {
  const centres = Array.from({ length: persons }, () => randomVector(dimensions));
  const owners: number[] = [];
  return Array.from({ length: faces }, (_, row) => {
    const person = row < persons ? row : Math.floor((random() + 0.5) * persons);
    const scale = 0.5 + (row % 7);
    const embedding = centres[person]!.map((value) => (value + 0.5 * random()) * scale);
    const image = row % 10 === 9 ? row - 1 : row;
    const owner = row % 10 === 9 ? owners[row - 1]! : person;
    owners[row] = owner;
    return { row, identity: `g/P${owner}/${image}.jpg`, hash: null, embedding, malformed: false, box: null };
  });
}

const normOf = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** The answer by the plainest means: every distance, each person's smallest, sorted. */
function plainSearch(
  rows: readonly DatastoreRow[],
  probe: Float32Array,
  metric: Metric,
  topK: number,
  exclude?: string,
) {
  const best = new Map<string, { person: string; distance: number; row: number }>();
  for (const { row, identity, embedding } of rows) {
    if (embedding === null || identity === null || identity === exclude) continue;
    const distance = vectorDistance(metric, probe, normOf(probe), embedding, normOf(embedding));
    const person = identity.split('/')[1]!;
    if (distance < (best.get(person)?.distance ?? Infinity)) best.set(person, { person, distance, row });
  }
  return [...best.values()].sort((a, b) => a.distance - b.distance || a.row - b.row).slice(0, topK);
}

const facesOf = (rows: readonly DatastoreRow[], dimensions: number): ExactFaces => {
  const faces = new ExactFaces(dimensions);
  for (const row of rows) faces.add(row);
  return faces;
};

describe('the matrix', () => {
  const product = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

  it.each([1, 5, 32, 128, 130, 512, 2622, 4096])(
    'estimates dot products of %i dimensions within its bounds',
    (dimensions) => {
      const matrix = new ExactMatrix(dimensions);
      const rows = Array.from({ length: 70 }, (_, i) => randomVector(dimensions, 10 ** ((i % 9) - 4)));
      rows[0]!.fill(3); // the largest sum of products there can be
      for (const row of rows) matrix.add(row, normOf(row));
      const probes = [rows[0]!, rows[1]!, randomVector(dimensions, 1e-9), randomVector(dimensions, 1e9)];
      for (const probe of probes) {
        const { products, errors } = matrix.estimate(probe, normOf(probe));
        rows.forEach((row, r) => {
          expect(Math.abs(products[r]! - product(row, probe))).toBeLessThanOrEqual(
            errors[r]! + 1e-12 * normOf(row) * normOf(probe),
          );
          expect(errors[r]!).toBeLessThan(0.02 * normOf(row) * normOf(probe));
        });
      }
      expect(matrix.row(69)).toEqual(rows[69]);
    },
  );

  it('goes on in a new segment and a new chunk when one is full', () => {
    const matrix = new ExactMatrix(20, 4096);
    const rows = Array.from({ length: 2500 }, () => randomVector(20));
    for (const row of rows) matrix.add(row, normOf(row));
    const { products, errors } = matrix.estimate(rows[99]!, normOf(rows[99]!));
    for (const at of [0, 127, 128, 1023, 1024, 2499]) {
      expect(matrix.row(at)).toEqual(rows[at]);
      expect(Math.abs(products[at]! - product(rows[at]!, rows[99]!))).toBeLessThanOrEqual(errors[at]!);
    }
  });
});

describe('exact search', () => {
  const metrics = ['cosine', 'euclidean', 'euclidean_l2', 'angular'] as const;
  const rows = gallery(128, 3000, 250);
  const faces = facesOf(rows, 128);

  it.each(metrics)('finds by %s what comparing every row finds', (metric) => {
    const probes = Array.from({ length: 12 }, (_, i) => {
      const row = rows[i * 211]!;
      return i % 3 === 0
        ? { values: randomVector(128) }
        : { values: row.embedding!, ...(i % 3 === 1 && { exclude: row.identity! }) };
    });
    const criteria = { topK: 7, threshold: Infinity, metric };
    const alone = probes.map((probe) => faces.search(probe, criteria));
    probes.forEach(({ values, exclude }, i) => {
      const expected = plainSearch(rows, values, metric, 7, exclude);
      expect(alone[i]!.map(({ person, row }) => ({ person, row }))).toEqual(
        expected.map(({ person, row }) => ({ person, row })),
      );
      alone[i]!.forEach(({ distance, similarity }, k) => {
        expect(distance).toBeCloseTo(expected[k]!.distance, 9);
        expect(similarity).toBe(1 - distance);
      });
    });
  });

  it('counts persons, not faces, and keeps the threshold inclusive', () => {
    const probe = { values: rows[5]!.embedding! };
    const found = faces.search(probe, { topK: 4, threshold: Infinity, metric: 'cosine' });
    expect(new Set(found.map(({ person }) => person)).size).toBe(4);
    const within = faces.search(probe, { topK: 4, threshold: found[2]!.distance, metric: 'cosine' });
    expect(within).toEqual(found.slice(0, 3));
    const all = faces.search(probe, { topK: 1000, threshold: Infinity, metric: 'cosine' });
    expect(all).toHaveLength(faces.persons);
  });

  it('tells the faces of one image apart, and leaves out all of them', () => {
    const twin = rows[9]!;
    const best = faces.search({ values: twin.embedding! }, { topK: 1, threshold: 1, metric: 'cosine' })[0];
    expect(best).toMatchObject({ row: 9, faceNumber: 2, imagePath: rows[8]!.identity });
    const without = faces.search(
      { values: twin.embedding!, exclude: twin.identity! },
      {
        topK: 99,
        threshold: 1,
        metric: 'cosine',
      },
    );
    expect(without.some(({ imagePath }) => imagePath === twin.identity)).toBe(false);
  });

  it('tells vectors apart that single precision cannot', () => {
    const values = Float32Array.from({ length: 512 }, () => 1);
    const at = (row: number, change: number): DatastoreRow => {
      const embedding = values.map((value, i) => (i === row ? value + change : value));
      return { row, identity: `g/P${row}/1.jpg`, hash: null, embedding, malformed: false, box: null };
    };
    const close = facesOf(
      Array.from({ length: 50 }, (_, i) => at(i, (50 - i) * 1e-5)),
      512,
    );
    const found = close.search({ values }, { topK: 50, threshold: 1, metric: 'cosine' });
    expect(found.map(({ row }) => row)).toEqual(Array.from({ length: 50 }, (_, i) => 49 - i));
  });

  it('does not search rows that have a flaw', () => {
    const good = rows[0]!;
    const mixed = facesOf(
      [
        good,
        { ...good, row: 1, embedding: null },
        { ...good, row: 2, embedding: new Float32Array(128) },
        { ...good, row: 3, embedding: randomVector(64) },
        { ...good, row: 4, identity: null },
        { ...good, row: 5, embedding: good.embedding!.map(() => Number.NaN) },
      ],
      128,
    );
    expect([mixed.faces, mixed.persons]).toEqual([1, 1]);
  });
});

describe('an index', () => {
  const name = 'ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl';
  let files = 0;
  const newPath = (): string => folder.write(Buffer.alloc(0), `${files++}-${name}`);
  const first = gallery(24, 60, 12);
  const second = gallery(24, 80, 15);

  const personsOf = (rows: readonly DatastoreRow[]): number =>
    new Set(rows.map(({ identity }) => identity!.split('/')[1])).size;

  const until = async (index: ExactIndex, holds: (status: ExactIndexStatus) => boolean): Promise<ExactIndexStatus> => {
    for (let turn = 0; turn < 1000; turn++) {
      if (holds(index.status())) return index.status();
      await pause(10);
    }
    throw new Error(`still ${JSON.stringify(index.status())}`);
  };
  const nearest = async (index: ExactIndex, row: DatastoreRow): Promise<number | undefined> =>
    (await index.search(row.embedding!, { topK: 1 }))[0]?.distance;

  it('serves a datastore from a thread, and a batch', async () => {
    const path = newPath();
    await writeDatastore(path, [first]);
    await using exact = openExactSearch();
    const index = await exact.open(path, { pollMs: 20 });
    expect(index.status()).toMatchObject({
      ...{
        state: 'serving',
        dimensions: 24,
        rows: 60,
        faces: 60,
        persons: personsOf(first),
        reloads: 0,
        failedReloads: 0,
      },
      ...{ alert: null, path, fileSpace: null },
    });
    const [best] = await index.search(first[7]!.embedding!, { topK: 3, threshold: 0.4 });
    expect(best).toMatchObject({ row: 7, imagePath: first[7]!.identity, faceNumber: 1 });
    expect(best!.distance).toBeLessThan(1e-9);
    const probes = first.map(({ embedding, identity }) => ({ values: embedding!, exclude: identity! }));
    const batch = await index.searchBatch(probes, { topK: 2, metric: 'euclidean' });
    expect(batch.map((found) => found.map(({ row }) => row))).toEqual(
      first.map((row) => plainSearch(first, row.embedding!, 'euclidean', 2, row.identity!).map((found) => found.row)),
    );
  });

  it('takes the dimension of most rows, or the one asked for', async () => {
    const path = newPath();
    const odd = { ...first[0]!, embedding: randomVector(10) };
    await writeDatastore(path, [[odd, { ...odd, embedding: null }, ...first.slice(1), odd]]);
    await using exact = openExactSearch();
    expect((await exact.open(path)).status()).toMatchObject({ dimensions: 24, rows: 62, faces: 59 });
    expect((await exact.open(path, { dimensions: 10 })).status()).toMatchObject({ dimensions: 10, rows: 62, faces: 2 });
  });

  it('refuses a probe of another dimension, NaN and zeros, and obeys its signal', async () => {
    const path = newPath();
    await writeDatastore(path, [first]);
    await using exact = openExactSearch();
    const index = await exact.open(path);
    const search = (values: Float32Array, signal?: AbortSignal) =>
      index.search(values, { topK: 1 }, signal === undefined ? {} : { signal });
    await expect(search(randomVector(23))).rejects.toMatchObject({ code: 'embedding-dimension' });
    await expect(search(new Float32Array(24))).rejects.toMatchObject({ code: 'embedding-zero-norm' });
    await expect(search(new Float32Array(24).fill(Number.NaN))).rejects.toMatchObject({ code: 'embedding-not-finite' });
    await expect(search(randomVector(24), AbortSignal.abort())).rejects.toThrow(/abort/i);
    const controller = new AbortController();
    const probes = Array.from({ length: 5000 }, () => ({ values: randomVector(24) }));
    const batch = index.searchBatch(probes, { topK: 1 }, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(batch).rejects.toThrow('enough');
    expect(await nearest(index, first[0]!)).toBeLessThan(1e-9);
  });

  it('takes a new file, and keeps the old one through a broken, an empty and a missing one', async () => {
    const path = newPath();
    await writeDatastore(path, [first]);
    const whole = readFileSync(path);
    const changes: ExactIndexStatus[] = [];
    await using exact = openExactSearch();
    const index = await exact.open(path, { pollMs: 20, onChange: (status) => changes.push(status) });

    await writeDatastore(path, [second]);
    expect(await until(index, ({ reloads }) => reloads === 1)).toMatchObject({
      rows: 80,
      persons: personsOf(second),
      alert: null,
    });
    expect(await nearest(index, second[70]!)).toBeLessThan(1e-9);

    writeFileSync(path, whole.subarray(0, whole.length / 2));
    const broken = await until(index, ({ alert }) => alert !== null);
    expect(broken).toMatchObject({
      state: 'serving',
      rows: 80,
      failedReloads: 1,
      alert: { code: 'datastore-truncated' },
    });
    expect(await nearest(index, second[70]!)).toBeLessThan(1e-9);

    writeFileSync(path, Buffer.from('80055d942e', 'hex'));
    expect(await until(index, ({ alert }) => alert?.code === 'datastore-empty')).toMatchObject({
      state: 'serving',
      rows: 80,
    });
    rmSync(path);
    expect(await until(index, ({ alert }) => alert?.code === 'datastore-missing')).toMatchObject({
      state: 'serving',
      rows: 80,
    });
    expect(await nearest(index, second[70]!)).toBeLessThan(1e-9);

    writeFileSync(path, whole);
    expect(await until(index, ({ alert }) => alert === null)).toMatchObject({ rows: 60, reloads: 2, failedReloads: 3 });
    expect(await nearest(index, first[3]!)).toBeLessThan(1e-9);
    expect(changes.map(({ alert, rows }) => [alert?.code ?? null, rows])).toEqual([
      [null, 60],
      [null, 80],
      ['datastore-truncated', 80],
      ['datastore-empty', 80],
      ['datastore-missing', 80],
      [null, 60],
    ]);
  });

  it('answers while it loads, always from one whole file', async () => {
    const path = newPath();
    const one = gallery(64, 4000, 100);
    const other = gallery(64, 4000, 100);
    await writeDatastore(path, [one]);
    await using exact = openExactSearch();
    const index = await exact.open(path, { pollMs: 10 });
    for (let turn = 0; turn < 6; turn++) {
      const before = index.status().reloads;
      const [old, next] = turn % 2 === 0 ? [one, other] : [other, one];
      await writeDatastore(path, [next]);
      while (index.status().reloads === before) {
        const found = await index.searchBatch([{ values: old[9]!.embedding! }, { values: next[9]!.embedding! }], {
          topK: 1,
        });
        const exactly = found.map(([best]) => best!.distance < 1e-9);
        expect(exactly[0]).not.toBe(exactly[1]);
      }
    }
  });

  it('of a file that is not there yet, or empty, begins to serve when it is whole', async () => {
    const path = join(folder.path, 'later.pkl');
    await using exact = openExactSearch();
    const index = await exact.open(path, { pollMs: 20 });
    expect(index.status()).toMatchObject({ state: 'failed', alert: { code: 'datastore-missing' } });
    await expect(index.search(randomVector(24), { topK: 1 })).rejects.toMatchObject({ code: 'datastore-not-served' });
    writeFileSync(path, Buffer.from('80055d942e', 'hex'));
    await until(index, ({ state }) => state === 'empty');
    expect(await index.search(randomVector(24), { topK: 1 })).toEqual([]);
    await writeDatastore(path, [first]);
    await until(index, ({ state }) => state === 'serving');
    expect(await nearest(index, first[0]!)).toBeLessThan(1e-9);
  });

  it('waits for a file that grows to settle', async () => {
    const path = newPath();
    await writeDatastore(path, [first]);
    const whole = readFileSync(path);
    await using exact = openExactSearch();
    const index = await exact.open(path, { pollMs: 1000 });
    writeFileSync(path, whole.subarray(0, 1000));
    for (let at = 1000; at < whole.length; at += 2000) {
      appendFileSync(path, whole.subarray(at, at + 2000));
      await pause(30);
    }
    expect(index.status()).toMatchObject({ failedReloads: 0, alert: null });
    expect(await until(index, ({ reloads }) => reloads === 1)).toMatchObject({ alert: null, failedReloads: 0 });
  });

  it('comes back after its thread died', async () => {
    const path = newPath();
    await writeDatastore(path, [first]);
    await using exact = openExactSearch();
    const index = await exact.open(path, { pollMs: 20 });
    const ref = vi.spyOn(Worker.prototype, 'ref');
    await nearest(index, first[0]!);
    const thread = ref.mock.contexts[0] as Worker;
    ref.mockRestore();
    const waiting = index.searchBatch(
      Array.from({ length: 5000 }, () => ({ values: randomVector(24) })),
      { topK: 1 },
    );
    const [ended] = await Promise.all([waiting.catch((fault: unknown) => fault), thread.terminate()]);
    expect(ended).toMatchObject({ code: 'datastore-not-served' });
    await until(index, ({ state }) => state === 'serving');
    expect(await nearest(index, first[0]!)).toBeLessThan(1e-9);
  });

  it('is over when it is closed', async () => {
    const path = newPath();
    await writeDatastore(path, [first]);
    const exact = openExactSearch();
    const index = await exact.open(path);
    await exact[Symbol.asyncDispose]();
    await expect(index.search(first[0]!.embedding!, { topK: 1 })).rejects.toMatchObject({
      code: 'datastore-not-served',
    });
    expect(existsSync(path)).toBe(true);
  });
});
