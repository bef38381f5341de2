import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readManifestWeights } from '#kith/inference/weights/manifest.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'kith-weights-'));
});
afterAll(() => rm(folder, { recursive: true }));

const WEIGHTS = [
  { name: 'a/q', shape: [3], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.5, min: -1 } },
  { name: 'a/f', shape: [2, 1], dtype: 'float32' },
  { name: 'a/i', shape: [], dtype: 'int32' },
];
// Three bytes, then two floats that begin at an odd place, then an integer.
const BYTES = Buffer.concat([
  Buffer.from([0, 1, 255]),
  Buffer.from(Float32Array.of(1.25, -7).buffer),
  Buffer.from(Int32Array.of(-3).buffer),
]);

async function store(name: string, shards: Record<string, Buffer>): Promise<string> {
  const file = path.join(folder, `${name}-weights_manifest.json`);
  await writeFile(file, JSON.stringify([{ paths: Object.keys(shards), weights: WEIGHTS }]));
  for (const [shard, bytes] of Object.entries(shards)) await writeFile(path.join(folder, shard), bytes);
  return file;
}
const nameOf = (layer: string, kind: string): string =>
  `${layer}/${kind === 'kernel' ? 'q' : kind === 'bias' ? 'f' : 'i'}`;

describe('weights of a tfjs manifest', () => {
  it('are dequantised, and copied where they are not aligned, over several shards', async () => {
    const file = await store('two', { 'two-1.bin': BYTES.subarray(0, 5), 'two-2.bin': BYTES.subarray(5) });
    const { provider, bytes } = await readManifestWeights(file, nameOf);
    expect([...provider('a', 'kernel', [3])]).toEqual([-1, -0.5, 126.5]);
    expect([...provider('a', 'bias', [2, 1])]).toEqual([1.25, -7]);
    expect([...provider('a', 'constant', [])]).toEqual([-3]);
    expect(Buffer.from(bytes).equals(BYTES)).toBe(true);
  });

  it('are checked: layer, shape, length, presence', async () => {
    const file = await store('checked', { 'checked.bin': BYTES });
    const { provider } = await readManifestWeights(file, nameOf);
    expect(() => provider('b', 'kernel', [3])).toThrow(
      expect.objectContaining({
        code: 'weights-layer',
        message: 'the weights checked-weights_manifest.json have no b/q',
      }),
    );
    expect(() => provider('a', 'bias', [1, 2])).toThrow(
      expect.objectContaining({ code: 'weights-shape', message: expect.stringContaining('[2, 1] where [1, 2]') }),
    );
    const short = await store('short', { 'short.bin': BYTES.subarray(0, 9) });
    await expect(readManifestWeights(short, nameOf)).rejects.toMatchObject({
      code: 'weights-damaged',
      message: 'the weights short-weights_manifest.json hold 9 bytes where 15 are expected',
    });
    await rm(path.join(folder, 'checked.bin'));
    await expect(readManifestWeights(file, nameOf)).rejects.toMatchObject({ code: 'weights-missing' });
    await expect(readManifestWeights(path.join(folder, 'no.json'), nameOf)).rejects.toMatchObject({
      code: 'weights-missing',
    });
  });
});
