import { describe, expect, it } from 'vitest';
import type { DatastoreRow } from '#kith/datastore/row.js';
import { commonDimension, RowCheck } from '#kith/migration/row-check.js';

const row = (number: number, changes: Partial<DatastoreRow> = {}): DatastoreRow => ({
  row: number,
  identity: `storage/slovenia/Ana Kovač/${number}.jpg`,
  hash: null,
  embedding: Float32Array.of(number + 1, 2, 3),
  malformed: false,
  box: { x: 1, y: 2, width: 30, height: 40 },
  ...changes,
});

const reasons = (rows: readonly DatastoreRow[]): (readonly [number, string])[] => {
  const check = new RowCheck(3);
  for (const each of rows) check.check(each);
  expect(check.good + check.skipped.length).toBe(rows.length);
  return check.skipped.map((skipped) => [skipped.row, skipped.reason]);
};

describe('RowCheck', () => {
  it('names every kind of bad row', () => {
    const rows = [
      row(0, { embedding: null }),
      row(1, { embedding: Float32Array.of(1, 2) }),
      row(2, { embedding: Float32Array.of(1, Number.NaN, 2) }),
      row(3, { embedding: Float32Array.of(1, Number.POSITIVE_INFINITY, 2) }),
      row(4, { embedding: new Float32Array(3) }),
      row(5, { identity: null }),
      row(6, { identity: 'alone.jpg' }),
      row(7, { malformed: true, embedding: null }),
      row(8, { identity: 'a/b\0/c.jpg' }),
      row(9, { identity: 'a/b\udce9/c.jpg' }),
      row(10, { identity: `a/${'č'.repeat(200)}/${'x'.repeat(1700)}.jpg` }),
      row(11, { identity: `a/${'x'.repeat(256)}/c.jpg` }),
      row(12),
    ];
    expect(reasons(rows)).toEqual([
      [0, 'no-embedding'],
      [1, 'dimension'],
      [2, 'not-finite'],
      [3, 'not-finite'],
      [4, 'zero-norm'],
      [5, 'no-identity'],
      [6, 'no-person'],
      [7, 'unreadable'],
      [8, 'not-storable'],
      [9, 'not-storable'],
      [10, 'not-storable'],
      [11, 'not-storable'],
    ]);
  });

  it('accepts paths outside the basic plane, and Windows paths', () => {
    const good = new RowCheck(3).check(row(0, { identity: 'C:\\photos\\Ana 🙂\\1.jpg' }));
    expect(good).toMatchObject({ skipped: false, person: 'Ana 🙂' });
  });

  it('numbers the faces of an image in the order of the rows, wherever they stand', () => {
    const check = new RowCheck(3);
    const identity = 'a/Ana/group.jpg';
    const faces = [row(0, { identity }), row(1), row(2, { identity, embedding: null }), row(3, { identity })];
    const numbers = faces.map((each) => check.check(each)).map((good) => (good.skipped ? null : good.faceNumber));
    expect(numbers).toEqual([1, 1, null, 2]);
  });

  it('takes a repeated row for a duplicate only when image, vector and box are the same', () => {
    const again = row(0);
    const rows = [
      again,
      { ...again, row: 1 },
      { ...again, row: 2, box: { x: 9, y: 2, width: 30, height: 40 } },
      { ...again, row: 3, identity: 'a/Ana/other.jpg' },
      { ...again, row: 4, embedding: Float32Array.of(1, 2, 3.0000002) },
      { ...again, row: 5 },
    ];
    expect(reasons(rows)).toEqual([
      [1, 'duplicate'],
      [5, 'duplicate'],
    ]);
  });

  it('counts whole photos, and gives one name to both spellings of a letter', () => {
    const check = new RowCheck(3);
    check.check(row(0), true);
    check.check(row(1, { identity: `a/${'Kovač'.normalize('NFD')}/1.jpg` }));
    check.check(row(2, { identity: `a/${'Kovač'.normalize('NFC')}/2.jpg` }));
    expect(check.wholePhoto).toBe(1);
    expect([...check.persons]).toEqual(['Ana Kovač', 'Kovač'.normalize('NFC')]);
  });

  it('tells faces of a hundred thousand images apart', () => {
    const check = new RowCheck(3);
    for (let i = 0; i < 100_000; i++) check.check(row(i));
    for (let i = 0; i < 100_000; i += 10_000)
      expect(check.check(row(i, { embedding: Float32Array.of(9, 9, i) }))).toMatchObject({ faceNumber: 2 });
    expect(check.skipped).toEqual([]);
  });
});

describe('commonDimension', () => {
  it('is that of most rows, the smaller of two equals, null of none', () => {
    const counts = (...pairs: [number, number][]): Map<number, number> => new Map(pairs);
    expect(commonDimension(counts([128, 3], [512, 2]))).toBe(128);
    expect(commonDimension(counts([512, 2], [128, 2]))).toBe(128);
    expect(commonDimension(counts())).toBeNull();
  });
});
