import { afterAll, describe, expect, it } from 'vitest';
import { openDatastore } from '#kith/datastore/datastore.js';
import { isWholePhoto, personOf, rowFlaw } from '#kith/datastore/row.js';
import { allRows, bytes, FIXTURES, Folder, fixture, floats, text } from './pickle-bytes.js';

const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());

const layoutOf = (name: string): string | null => {
  if (name.startsWith('empty')) return null;
  if (name.startsWith('one-row') || name.startsWith('E-')) return 'F';
  return name.startsWith('A-ensemble') ? 'A-ensemble' : name.charAt(0);
};

describe('datastores that CPython and numpy wrote', () => {
  const cases = FIXTURES.flatMap(({ name, truth, pickles }) =>
    pickles.map((pickle, protocol) => ({ name, truth, pickle, protocol })),
  );

  it.each(cases)('$name, protocol $protocol', async ({ name, truth, pickle }) => {
    const path = folder.write(pickle);
    const datastore = await openDatastore(path);
    expect(datastore.layout).toBe(layoutOf(name));
    expect(datastore.state).toBe(truth.length > 0 ? 'rows' : 'empty');
    expect(datastore.fileSpace).toBeNull();
    const rows = await allRows(path, name.startsWith('A-ensemble') ? 1 : 0);
    const got = rows.map(({ identity, embedding, box, hash }) => [
      identity,
      embedding === null ? null : Array.from(embedding),
      box === null ? null : [box.x, box.y, box.width, box.height],
      hash,
    ]);
    expect(got).toEqual(truth);
    expect(rows.map(({ row }) => row)).toEqual(truth.map((_, i) => i));
    expect(rows.some(({ malformed }) => malformed)).toBe(false);
  });

  it('gives each of an ensemble’s four vectors', async () => {
    const { truth, pickles } = fixture('A-ensemble');
    const path = folder.write(pickles[5]!, 'representations_ensemble.pkl');
    expect((await openDatastore(path)).parts).toEqual(['vggface', 'facenet', 'openface', 'deepface']);
    const first = truth[0]![1]!;
    const parts = await Promise.all([0, 1, 2, 3].map((part) => allRows(path, part)));
    expect(parts.map((rows) => Array.from(rows[0]!.embedding!))).toEqual([
      first.map((value) => -value),
      first,
      first.toReversed(),
      first.slice(0, 5),
    ]);
  });

  it('tells E from F by the name, notices a signature, and surveys', async () => {
    const { pickles } = fixture('F');
    const path = folder.write(pickles[5]!, 'ds_vggface_retinaface_v2.pkl');
    folder.write(Buffer.from('123456'), 'ds_vggface_retinaface_v2.pkl.ldsa');
    const datastore = await openDatastore(path);
    expect(datastore.layout).toBe('E');
    expect(datastore.signature).toBe(true);
    expect(datastore.parts).toEqual(['vggface']);
    expect(datastore.fileSpace).toEqual({
      model: 'vggface',
      detector: 'retinaface',
      aligned: null,
      normalization: null,
      expand: null,
    });
    expect(await datastore.survey()).toEqual({ rows: 5, dimensions: [{ dimensions: 12, rows: 4 }] });
  });

  it('closes the file when the loop is left early', async () => {
    const datastore = await openDatastore(folder.write(fixture('F').pickles[5]!));
    const iterator = datastore.rows()[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toHaveLength(5);
    await iterator.return?.();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  it('stops when its signal is aborted', async () => {
    const datastore = await openDatastore(folder.write(fixture('F').pickles[5]!));
    const reading = async (): Promise<void> => {
      for await (const _ of datastore.rows({ signal: AbortSignal.abort() })) expect.unreachable();
    };
    await expect(reading()).rejects.toThrow(/abort/i);
  });
});

describe('rows', () => {
  const oneRow = async (embedding: Uint8Array, identity: Uint8Array = text('d/P/1.jpg')) =>
    (await allRows(folder.write(bytes(0x80, 4, '](](', identity, embedding, 'ee.'))))[0]!;
  const list = (values: readonly number[]): Buffer => bytes('](', floats(values), 'e');
  const twelve = Array.from({ length: 12 }, (_, i) => i + 1);

  it.each([
    ['a good row', null, list(twelve), text('d/P/1.jpg')],
    ['None', 'no-embedding', bytes('N'), text('d/P/1.jpg')],
    ['eleven numbers', 'dimension', list(twelve.slice(1)), text('d/P/1.jpg')],
    ['an empty list', 'dimension', bytes(']'), text('d/P/1.jpg')],
    ['NaN', 'not-finite', list([Number.NaN, ...twelve.slice(1)]), text('d/P/1.jpg')],
    ['infinity', 'not-finite', list([...twelve.slice(1), -Infinity]), text('d/P/1.jpg')],
    ['a number beyond float32', 'not-finite', list([...twelve.slice(1), 1e39]), text('d/P/1.jpg')],
    ['zeros', 'zero-norm', list(twelve.map(() => 0)), text('d/P/1.jpg')],
    ['numbers that float32 cannot tell from 0', 'zero-norm', list(twelve.map(() => 1e-60)), text('d/P/1.jpg')],
    ['a list with a text', 'unreadable', bytes('](', floats(twelve), text('x'), 'e'), text('d/P/1.jpg')],
    ['no path', 'no-identity', list(twelve), bytes('N')],
    ['an empty path', 'no-identity', list(twelve), text('')],
    ['a path without folder', 'no-person', list(twelve), text('1.jpg')],
  ] as const)('%s: %s', async (_, flaw, embedding, identity) => {
    expect(rowFlaw(await oneRow(embedding, identity), 12)).toBe(flaw);
  });

  it.each([
    ['storage/slovenia/Ana Kovač/1.jpg', 'Ana Kovač'],
    ['./Ana/1.jpg', 'Ana'],
    ['db//Ana//1.jpg', 'Ana'],
    ['C:\\db\\Ana\\1.jpg', 'Ana'],
    ['db/A\\B/1.jpg', 'A\\B'],
    ['./1.jpg', null],
    ['1.jpg', null],
    ['', null],
  ])('the person of %s is %s', (identity, person) => {
    expect(personOf(identity)).toBe(person);
  });

  it('knows a whole photo’s box when it knows the photo', () => {
    const box = { x: 0, y: 0, width: 639, height: 479 };
    expect(isWholePhoto(box, { width: 640, height: 480 })).toBe(true);
    expect(isWholePhoto({ ...box, width: 640, height: 480 }, { width: 640, height: 480 })).toBe(true);
    expect(isWholePhoto({ ...box, width: 300 }, { width: 640, height: 480 })).toBe(false);
    expect(isWholePhoto(box)).toBeNull();
    expect(isWholePhoto({ ...box, x: 1 })).toBe(false);
    expect(isWholePhoto({ x: 0, y: 0, width: 0, height: 0 })).toBe(false);
    expect(isWholePhoto(null)).toBe(false);
  });
});
