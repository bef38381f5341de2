// Files that Keras itself wrote (oracle/keras_files.py), whole and damaged.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openKerasWeights } from '#kith/inference/weights/keras-h5.js';
import type { WeightKind } from '#kith/inference/weights/provider.js';
import { seededWeights } from '../support/seeded-weights.js';

const folder = path.resolve(import.meta.dirname, '../references/keras');
const file = (name: string): string => path.join(folder, name);
const { seed } = JSON.parse(readFileSync(file('meta.json'), 'utf8')) as { readonly seed: number };
const ORDER = ['stem:k', 'stem_bn:gbmv', 'stem_prelu:a', 'wide:kc', 'wide_bn:bmv', 'head:dc'];
const WEIGHTS: readonly (readonly [layer: string, kind: WeightKind, shape: readonly number[]])[] = [
  ['stem', 'kernel', [3, 3, 3, 4]],
  ...(['gamma', 'beta', 'mean', 'variance'] as const).map((kind) => ['stem_bn', kind, [4]] as const),
  ['stem_prelu', 'alpha', [1, 1, 4]],
  ['wide', 'kernel', [1, 1, 4, 5]],
  ['wide', 'bias', [5]],
  ...(['beta', 'mean', 'variance'] as const).map((kind) => ['wide_bn', kind, [5]] as const),
  ['head', 'kernel', [180, 6]],
  ['head', 'bias', [6]],
];

describe('weights in Keras files', () => {
  const expected = seededWeights({ seed, model: 'tiny', gain: 1 });

  it.each([
    ['Keras 2', 'keras2.h5'],
    ['Keras 2, a whole model, layers without names', 'keras2-unnamed-model.h5'],
    ['Keras 2, the newer layout', 'keras2.weights.h5'],
    ['Keras 3, a whole model', 'keras3-model.h5'],
    ['Keras 3', 'keras3.weights.h5'],
    ['Keras 3, layers without names', 'keras3-unnamed.weights.h5'],
  ])('%s: every weight is the one that the oracle stored', async (_, name) => {
    using weights = await openKerasWeights(file(name), ORDER);
    for (const [layer, kind, shape] of WEIGHTS)
      expect(weights.provider(layer, kind, shape), `${layer}/${kind}`).toEqual(expected(layer, kind, shape));
  });

  it.each(['keras2.h5', 'keras3.weights.h5'])('%s: a wrong shape is named with what was expected', async (name) => {
    using weights = await openKerasWeights(file(name), ORDER);
    expect(() => weights.provider('wide', 'kernel', [3, 3, 4, 5])).toThrow(
      expect.objectContaining({
        code: 'weights-shape',
        message: expect.stringMatching(/\[1, 1, 4, 5\].*\[3, 3, 4, 5\]/),
      }),
    );
    expect(() => weights.provider('missing', 'kernel', [1])).toThrow(
      expect.objectContaining({ code: 'weights-layer' }),
    );
    expect(() => weights.provider('stem', 'bias', [4])).toThrow(expect.objectContaining({ code: 'weights-layer' }));
  });

  it.each(['keras2.h5', 'keras3.weights.h5'])('%s: another network is told by its layers', async (name) => {
    await expect(openKerasWeights(file(name), ORDER.slice(1))).rejects.toMatchObject({
      code: 'weights-layers',
      message: expect.stringContaining('hold 6 layers where 5 are expected'),
    });
    const other = ORDER.map((entry) => (entry === 'wide:kc' ? 'wide:k' : entry));
    await expect(openKerasWeights(file(name), other)).rejects.toMatchObject({ code: 'weights-shape' });
  });

  describe('damaged', () => {
    let temporary: string;
    beforeAll(() => {
      temporary = mkdtempSync(path.join(tmpdir(), 'kith-keras-'));
    });
    afterAll(() => rmSync(temporary, { recursive: true }));

    it.each([16_000, 200])('cut off at %i bytes', async (bytes) => {
      const cut = path.join(temporary, `cut-${bytes}.h5`);
      copyFileSync(file('keras2.h5'), cut);
      truncateSync(cut, bytes);
      await expect(openKerasWeights(cut, ORDER)).rejects.toMatchObject({
        code: 'weights-damaged',
        message: expect.stringMatching(new RegExp(`cut-${bytes}.h5 hold ${bytes} bytes where 31616 are expected`)),
      });
    });

    it('missing, an error page, empty', async () => {
      await expect(openKerasWeights(path.join(temporary, 'none.h5'), ORDER)).rejects.toMatchObject({
        code: 'weights-missing',
      });
      for (const [name, text] of [
        ['page.h5', '<!doctype html><title>Not Found</title>'.repeat(9)],
        ['empty.h5', ''],
      ] as const) {
        writeFileSync(path.join(temporary, name), text);
        await expect(openKerasWeights(path.join(temporary, name), ORDER)).rejects.toMatchObject({
          code: 'weights-not-keras',
        });
      }
    });
  });
});
