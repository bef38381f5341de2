import { afterAll, describe, expect, it } from 'vitest';
import { openDatastore } from '#kith/datastore/datastore.js';
import { allRows, bytes, Folder, text, vector } from './pickle-bytes.js';

const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());

const row = (path: string, values: readonly number[] = [1, 2, 3]): Buffer =>
  bytes(']\x94(', text(path), '\x94', vector(values), 'e');
const datastore = (...rows: Uint8Array[]): Buffer => bytes(0x80, 4, ']\x94(', ...rows, 'e.');

describe('rows that share objects', () => {
  const shared = (count: number): Buffer => {
    const first = bytes(']\x94(', text('d/P/0.jpg'), '\x94', vector(Array.from({ length: 20 }, (_, i) => i)), 'e');
    const others = Array.from({ length: count }, (_, i) => bytes(']\x94(', text(`d/P/${i}.jpg`), '\x94h\x03e'));
    return datastore(first, ...others);
  };

  it('are read right, in further passes', async () => {
    const rows = await allRows(folder.write(shared(1000)));
    expect(rows).toHaveLength(1001);
    expect(rows.map(({ row: number }) => number)).toEqual(Array.from({ length: 1001 }, (_, i) => i));
    for (const { embedding } of rows) expect(Array.from(embedding!)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(rows.at(-1)!.identity).toBe('d/P/999.jpg');
  });

  it('may be whole rows', async () => {
    const rows = await allRows(folder.write(datastore(row('d/P/1.jpg'), row('d/P/2.jpg'), bytes('h\x01h\x04h\x01'))));
    expect(rows.map(({ identity }) => identity)).toEqual([
      'd/P/1.jpg',
      'd/P/2.jpg',
      'd/P/1.jpg',
      'd/P/2.jpg',
      'd/P/1.jpg',
    ]);
  });

  it('are refused when keeping them would take too much memory', async () => {
    const steps = bytes('(', Buffer.alloc(400_000, 'N'), '1');
    const heavy = (i: number): Buffer => bytes(']\x94(', text(`d/P/${i}.jpg`), steps, vector([1]), 'e');
    const rows = Array.from({ length: 8 }, (_, i) => heavy(i));
    const references = Array.from({ length: 8 }, (_, i) => bytes('h', 1 + i * 2));
    await expect(allRows(folder.write(datastore(...rows, ...references)))).rejects.toMatchObject({
      code: 'datastore-shared-objects',
    });
  });
});

describe('a file that changes under the reader', () => {
  it('is a fault, not a mixture', async () => {
    const many = datastore(
      ...Array.from({ length: 3000 }, (_, i) =>
        row(
          `d/P/${i}.jpg`,
          Array.from({ length: 99 }, () => i),
        ),
      ),
    );
    const path = folder.write(many, 'changing.pkl');
    const opened = await openDatastore(path);
    const iterator = opened.rows()[Symbol.asyncIterator]();
    await iterator.next();
    folder.write(datastore(row('d/Q/1.jpg')), 'changing.pkl');
    const rest = async (): Promise<void> => {
      while (!(await iterator.next()).done);
    };
    await expect(rest()).rejects.toMatchObject({ code: 'datastore-changed' });
  });
});
