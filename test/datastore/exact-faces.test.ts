import { describe, expect, it } from 'vitest';
import { ExactFaces } from '#kith/datastore/exact-faces.js';
import { ExactMatrix } from '#kith/datastore/exact-matrix.js';
import type { DatastoreRow } from '#kith/datastore/row.js';
import { gallery, normOf, plainSearch, randomVector } from './made-gallery.js';

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
