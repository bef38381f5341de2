import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openDatastore } from '#kith/datastore/datastore.js';
import { readRows } from '#kith/datastore/datastore-read.js';
import { KithError } from '#kith/errors.js';
import { allRows, bytes, Folder, fixture, floats, text, u32, u64, vector } from './pickle-bytes.js';

const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());

/** The fault that reading gives, or null. */
async function faultOf(content: Uint8Array): Promise<KithError | null> {
  const path = folder.write(content, 'hostile.pkl');
  try {
    for await (const batch of readRows({ path, part: 0 })) expect(batch.length).toBeGreaterThan(0);
    return null;
  } catch (fault) {
    if (fault instanceof KithError) return fault;
    throw fault;
  }
}
const codeOf = async (content: Uint8Array): Promise<string | null> => (await faultOf(content))?.code ?? null;

const row = (path: string, values: readonly number[] = [1, 2, 3]): Buffer =>
  bytes(']\x94(', text(path), '\x94', vector(values), 'e');
const datastore = (...rows: Uint8Array[]): Buffer => bytes(0x80, 4, ']\x94(', ...rows, 'e.');

describe('names that a datastore never needs', () => {
  const marker = join(folder.path, 'executed');
  const touch = `touch ${marker}`;

  it.each([
    ['GLOBAL and REDUCE', bytes('cposix\nsystem\n(V', touch, '\ntR.'), 'posix.system', 0],
    ['STACK_GLOBAL', bytes(0x80, 4, text('builtins'), text('eval'), 0x93, '.'), 'builtins.eval', 18],
    ['INST', bytes('(V', touch, '\nisubprocess\ncall\n.'), 'subprocess.call', touch.length + 3],
    ['OBJ', bytes('(cos\npopen\nV', touch, '\no.'), 'os.popen', 1],
    ['numpy.load', bytes('cnumpy\nload\n.'), 'numpy.load', 0],
    [
      'a name beside an allowed one',
      bytes('cnumpy.core.multiarray\n_reconstruct2\n.'),
      'numpy.core.multiarray._reconstruct2',
      0,
    ],
    ['getattr', bytes('cbuiltins\ngetattr\n.'), 'builtins.getattr', 0],
    [
      'a row of a good datastore',
      datastore(row('d/P/1.jpg'), bytes('cos\nsystem\n(V', touch, '\ntR')),
      'os.system',
      52,
    ],
  ])('%s', async (_, content, name, offset) => {
    const fault = await faultOf(content);
    expect(fault?.code).toBe('datastore-forbidden-global');
    expect(fault?.message).toContain(`asks for ${name} at byte ${offset}`);
    expect(existsSync(marker)).toBe(false);
  });

  it.each([
    ['an extension code', bytes(0x80, 2, 0x82, 1, '.')],
    ['a persistent id', bytes('Pabc\n.')],
    ['a persistent object', bytes('NQ.')],
  ])('%s', async (_, content) => {
    expect(await codeOf(content)).toBe('datastore-forbidden-global');
  });

  it('an allowed name in a call that numpy never makes', async () => {
    const fault = await faultOf(bytes('cnumpy.core.multiarray\n_reconstruct\n(Vx\ntR.'));
    expect(fault?.code).toBe('datastore-not-deepface');
    expect(fault?.message).toContain('numpy.core.multiarray._reconstruct');
  });
});

describe('files that are not datastores', () => {
  it.each([
    ['no bytes', bytes(), 'datastore-no-bytes'],
    ['a text', bytes('Dear reader, this is no pickle.\n'), 'datastore-not-pickle'],
    ['a picture', bytes(0xff, 0xd8, 0xff, 0xe0, 0, 0x10, 'JFIF'), 'datastore-not-pickle'],
    ['zeros', Buffer.alloc(5000), 'datastore-not-pickle'],
    ['a protocol of the future', bytes(0x80, 6, ']\x94.'), 'datastore-not-pickle'],
    ['a dict', bytes(0x80, 4, '}\x94', text('a'), 'K\x01s.'), 'datastore-not-deepface'],
    ['None', bytes('N.'), 'datastore-not-deepface'],
    ['nothing', bytes('.'), 'datastore-not-pickle'],
    ['a list of numbers', datastore(bytes('K\x01K\x02')), 'datastore-not-deepface'],
    ['a list of texts', datastore(text('a'), text('b')), 'datastore-not-deepface'],
    ['a matrix', datastore(vector([1, 2]), vector([3, 4])), 'datastore-not-deepface'],
    ['a list of other dicts', datastore(bytes('}(', text('name'), text('x'), 'u')), 'datastore-not-deepface'],
    ['a tuple of rows', bytes(0x80, 4, '(', row('d/P/1.jpg'), row('d/P/2.jpg'), 't.'), 'datastore-not-deepface'],
    ['rows in a tuple in a list', bytes('](', row('d/P/1.jpg'), row('d/P/2.jpg'), 'ta.'), 'datastore-not-deepface'],
    ['a list in itself', bytes(']\x94h\x00a.'), 'datastore-not-deepface'],
    [
      'a second pickle after the first',
      bytes(datastore(row('d/P/1.jpg')), 0x80, 4, ']\x94.'),
      'datastore-trailing-bytes',
    ],
    ['a memo that was never set', datastore(bytes('h\x07')), 'datastore-not-pickle'],
    ['an unbalanced stack', bytes(0x80, 4, 'a.'), 'datastore-not-pickle'],
    ['an unbalanced mark', bytes(0x80, 4, ']e.'), 'datastore-not-pickle'],
    ['broken UTF-8', datastore(bytes(']', 0x8c, 2, 0xc3, 0x28)), 'datastore-not-pickle'],
    ['arrays outside the file', bytes(0x80, 5, 0x97, '.'), 'datastore-not-deepface'],
  ])('%s', async (_, content, code) => {
    expect(await codeOf(content)).toBe(code);
  });

  it('an empty list in every protocol is the state `empty`', async () => {
    for (const pickle of fixture('empty').pickles)
      expect((await openDatastore(folder.write(pickle))).state).toBe('empty');
    expect(fixture('empty').pickles[5]).toHaveLength(5);
  });

  it('a missing file, and a folder', async () => {
    await expect(openDatastore(join(folder.path, 'nothing.pkl'))).rejects.toMatchObject({ code: 'datastore-missing' });
    await expect(openDatastore(folder.path)).rejects.toMatchObject({ code: 'datastore-unreadable' });
  });

  it('a change of what was already given out', async () => {
    const late = bytes(']\x94(', row('d/P/1.jpg'), row('d/P/2.jpg'), 'h\x01', text('x'), 'ae.');
    expect(await codeOf(bytes(0x80, 4, late))).toBe('datastore-not-deepface');
  });
});

describe('damage', () => {
  it.each(['F', 'A (numpy2)', 'A (numpy1)', 'D'])(
    'a truncation of %s is one, wherever it falls',
    async (name) => {
      for (const [protocol, pickle] of fixture(name).pickles.entries())
        for (let length = 1; length < pickle.length; length += protocol === 4 || protocol === 2 ? 1 : 13) {
          const code = await codeOf(pickle.subarray(0, length));
          expect(code === 'datastore-truncated' || [protocol, length, code]).toBe(true);
        }
    },
    120_000,
  );

  it('random changes give rows or a catalogued fault, soon', async () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const sources = ['F', 'A (numpy2)', 'C', 'B-numpy-scalars'].flatMap((name) => fixture(name).pickles);
    const codes = new Map<string, number>();
    for (let turn = 0; turn < 3000; turn++) {
      const damaged = Buffer.from(sources[turn % sources.length]!);
      for (let change = random(4); change >= 0; change--) damaged[random(damaged.length)] = random(256);
      const started = performance.now();
      const code = (await codeOf(damaged)) ?? 'rows';
      expect(performance.now() - started).toBeLessThan(5000);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect([...codes.keys()].every((code) => code === 'rows' || code.startsWith('datastore-'))).toBe(true);
    expect(codes.size).toBeGreaterThan(4);
  }, 120_000);
});

describe('sizes that are not there', () => {
  it.each([
    ['a text of 4 GB', bytes('](X', u32(0xfffffff0), 'abc')],
    ['bytes of 2⁶⁰', bytes(0x80, 4, '](', 0x8e, u64(1n << 60n), 'abc')],
    ['a byte array of 2⁶³', bytes(0x80, 5, '](', 0x96, u64(1n << 63n), 'abc')],
    ['a frame of 2⁶²', bytes(0x80, 4, 0x95, u64(1n << 62n), ']\x94.')],
    ['an integer of 2 GB', bytes('](', 0x8b, u32(0x7fffffff), 'abc')],
    ['a line without end', bytes('](V', 'x'.repeat(100_000))],
  ])('%s is a truncated file', async (_, content) => {
    const before = process.memoryUsage().arrayBuffers;
    expect(await codeOf(content)).toBe('datastore-truncated');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 << 20);
  });

  it('an array that says it has 2⁴⁰ numbers and has four bytes', async () => {
    const array = bytes(
      'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR(I1\n(L1099511627776L\nt',
      'cnumpy\ndtype\n(Vf4\nI00\nI01\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntbI00\nC\x04abcdtb',
    );
    const [only] = await allRows(folder.write(datastore(bytes('](', text('d/P/1.jpg'), array, 'e'))));
    expect(only).toMatchObject({ embedding: null, malformed: true });
  });

  it.each([
    ['marks', Buffer.alloc(20_000_000, '(')],
    ['lists', Buffer.alloc(20_000_000, ']')],
    ['memos', bytes(']', Buffer.alloc(20_000_000, 0x94))],
    ['lists in lists', bytes(Buffer.alloc(3_000_000, ']'), Buffer.alloc(3_000_000, 'a'))],
    ['a memo id of 4 billion', bytes(']r', u32(0xffffffff), '.')],
    ['floats without end', bytes('](', floats(Array.from({ length: 2_000_000 }, (_, i) => i)))],
    ['a text of 17 MB', bytes('](X', u32(17 << 20), Buffer.alloc(17 << 20, 'x'), 'e.')],
  ])('%s are refused', async (_, content) => {
    expect(await codeOf(content)).toBe('datastore-not-deepface');
  });

  it('no file stays open', () => {
    if (!existsSync('/proc/self/fd')) {
      console.log('not checked: open files cannot be listed here');
      return;
    }
    const open = readdirSync('/proc/self/fd').map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    });
    expect(open.filter((path) => path.startsWith(folder.path))).toEqual([]);
  });
});

describe('few bytes that ask for much', () => {
  const resident = (): number => process.memoryUsage().rss;
  const array = (data: Uint8Array): Buffer =>
    bytes(
      'cnumpy.core.numeric\n_frombuffer\n(',
      data,
      'cnumpy\ndtype\n(Vf4\nI00\nI01\ntRJ',
      u32(1 << 20),
      0x85,
      'VC\ntR',
    );
  const data = bytes('B', u32(4 << 20), Buffer.alloc(4 << 20, 1));

  it.each([
    [
      'copies of a list',
      bytes(
        '](',
        floats(Array.from({ length: 100_000 }, () => 1)),
        't\x94',
        bytes('cbuiltins\nlist\nh\x00\x85R').toString('latin1').repeat(200),
      ),
    ],
    [
      'encodings of a text',
      bytes(
        '](X',
        u32(2 << 20),
        Buffer.alloc(2 << 20, 'x'),
        '\x94',
        'c_codecs\nencode\nh\x00Vlatin1\n\x86R'.repeat(200),
      ),
    ],
    ['arrays of the same bytes', bytes('](', data, '\x94', ...Array.from({ length: 60 }, () => array(bytes('h\x00'))))],
    ['the same bytes again', bytes('](', data, '\x94', 'h\x00'.repeat(2000))],
  ])('%s', async (_, content) => {
    const before = resident();
    expect(await codeOf(bytes(0x80, 4, content, '.'))).toBe('datastore-not-deepface');
    expect(resident() - before).toBeLessThan(500e6);
  });
});
