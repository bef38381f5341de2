import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { ExactIndex, ExactIndexStatus } from '#kith/datastore/exact-index.js';
import { openExactSearch } from '#kith/datastore/exact-search.js';
import type { DatastoreRow } from '#kith/datastore/row.js';
import { writeDatastore } from '#kith/datastore/write.js';
import { gallery, plainSearch, randomVector } from './made-gallery.js';
import { Folder } from './pickle-bytes.js';

const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());

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
