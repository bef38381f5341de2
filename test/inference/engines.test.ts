// Engines by their space's name, from weight files on disk, in worker threads: against what real DeepFace gave.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseSpaceName, whyNotComparable } from '#kith/embedding/space.js';
import { openEngine } from '#kith/inference/engines.js';
import { sha256OfFile } from '#kith/inference/file-hash.js';
import { buildArcFace } from '#kith/inference/networks/arcface.js';
import { buildRetinaFace } from '#kith/inference/networks/retinaface.js';
import { ARCFACE_ORDER, RETINAFACE_ORDER } from '#kith/inference/weights/keras-layer-order.js';
import { decodePhoto } from '#kith/photo/photo.js';
import { cosineDistance, photoBytes, readReferences, vectorOf } from '../support/references.js';
import { seededWeights } from '../support/seeded-weights.js';
import { writeKerasH5 } from '../support/write-keras-h5.js';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const references = readReferences(path.resolve(import.meta.dirname, '../references/deepface'));
const { seed, gain, headScale } = references;
const reference = references.photos.find(({ key }) => key === 'drawn2')!;
const ARCFACE = parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0');

let models: string;
beforeAll(async () => {
  models = mkdtempSync(path.join(tmpdir(), 'kith-engines-'));
  const arcface = seededWeights({ seed, model: 'arcface', gain: gain.arcface! });
  const { scoreShifts } = reference;
  const retinaface = seededWeights({ seed, model: 'retinaface', gain: gain.retinaface!, headScale, scoreShifts });
  await writeKerasH5(path.join(models, 'arcface_weights.h5'), ARCFACE_ORDER, arcface, buildArcFace);
  await writeKerasH5(path.join(models, 'retinaface.h5'), RETINAFACE_ORDER, retinaface, buildRetinaFace);
});
afterAll(() => rmSync(models, { recursive: true }));

describe('openEngine', () => {
  it("computes DeepFace's space from the weight files, in a worker", async () => {
    await using engine = await openEngine(ARCFACE, { models: ['/nowhere', models] });
    const stages: Record<string, number> = {};
    const photo = await decodePhoto(photoBytes(references, reference));
    const faces = await engine.embed(photo, { onStages: (each) => Object.assign(stages, each) });
    expect(faces).toHaveLength(reference.results.length);
    faces.forEach(({ box, embedding, landmarks, quality }, i) => {
      const { area, embedding: expected } = reference.results[i]!;
      expect(box).toEqual({ x: area.x, y: area.y, width: area.w, height: area.h });
      expect(cosineDistance(embedding.values, vectorOf(expected))).toBeLessThan(1e-5);
      expect(landmarks).toHaveLength(5);
      expect(quality.size).toBe(Math.min(box.width, box.height));
    });
    expect(Object.keys(stages)).toEqual(['resize', 'detect', 'decode', 'align', 'embed']);
    expect((await engine.detect(photo)).map(({ box }) => box)).toEqual(faces.map(({ box }) => box));
    expect(engine.space).toMatchObject({ ...ARCFACE, dimensions: 512, metric: 'cosine', channelOrder: 'bgr' });
    expect(engine.space.weightsSha256).toBe(await sha256OfFile(path.join(models, 'arcface_weights.h5')));
  });

  it('embeds photos that wait together, as it does one by one', async () => {
    const whole = await decodePhoto(photoBytes(references, reference));
    const blank = { width: 90, height: 120, pixels: new Uint8Array(90 * 120 * 3), sha256: '' };
    const photos = [blank, whole, blank];
    await using plain = await openEngine(ARCFACE, { models: [models], workers: 1 });
    const expected = [await plain.embed(blank), await plain.embed(whole)];
    await using engine = await openEngine(ARCFACE, { models: [models], workers: 1, batch: 4, facesPerRun: 8 });
    const calls = photos.map((photo) => engine.embed(photo));
    await calls[0];
    expect(engine.load).toEqual({ workers: 1, running: 2, waiting: 0 });
    for (const [i, faces] of (await Promise.all(calls)).entries()) {
      const alone = expected[i % 2]!;
      expect(faces.map(({ box }) => box)).toEqual(alone.map(({ box }) => box));
      for (const [at, { embedding }] of faces.entries())
        expect(cosineDistance(embedding.values, alone[at]!.embedding.values)).toBeLessThanOrEqual(1e-6);
    }
  });

  it("gives the old find()'s query order only when it is asked for, in a space that does not compare", async () => {
    const space = parseSpaceName('model_arcface_detector_skip_aligned_normalization_base_expand_0');
    await using engine = await openEngine(space, { models: [models] });
    await using legacy = await openEngine({ ...space, channelOrder: 'rgb' }, { models: [models] });
    expect(whyNotComparable(engine.space, legacy.space)).toBe('channelOrder differs');
  });

  it.each([
    ['model_sface_detector_retinaface_aligned_normalization_base_expand_0', 'the model sface'],
    ['model_arcface_detector_yunet_aligned_normalization_base_expand_0', 'the detector yunet'],
    ['model_arcface_detector_retinaface_aligned_normalization_none_expand_0', 'the normalization none'],
    ['model_arcface_detector_unknown_unknown_normalization_unknown_expand_unknown', 'the detector unknown'],
    ['model_faceapi_detector_mtcnn_aligned_normalization_base_expand_0', 'is computed as model_faceapi_detector_ssd'],
  ])('names the space that it cannot compute, and why: %s', async (name, why) => {
    await expect(openEngine(parseSpaceName(name), { models: [models] })).rejects.toMatchObject({
      code: 'space-not-computed',
      message: expect.stringMatching(new RegExp(`${name} .*${why}`)),
    });
  });

  it('names the file that is missing, and where it was looked for', async () => {
    const space = { ...ARCFACE, model: 'facenet512' };
    await expect(openEngine(space, { models: ['/first', models] })).rejects.toMatchObject({
      code: 'space-not-computed',
      hint: expect.stringMatching(/put facenet512_weights.h5 into \/first or .*kith models pull facenet512_weights.h5/),
    });
    const pack = parseSpaceName('model_buffalo_l_detector_scrfd_aligned_normalization_base_expand_0');
    await expect(openEngine(pack, { models: [models] })).rejects.toMatchObject({
      code: 'space-not-computed',
      hint: expect.stringContaining('w600k_r50.onnx'),
    });
  });

  it('brings the fault of a wrong file out of the worker', async () => {
    const other = mkdtempSync(path.join(models, 'other-'));
    writeFileSync(path.join(other, 'arcface_weights.h5'), '<html>not found</html>'.repeat(10));
    const space = { ...ARCFACE, detector: 'skip' };
    await expect(openEngine(space, { models: [other] })).rejects.toMatchObject({ code: 'weights-not-keras' });
    // RetinaFace's file under ArcFace's name.
    const retinaface = seededWeights({ seed, model: 'retinaface', gain: 1, headScale });
    await writeKerasH5(path.join(other, 'arcface_weights.h5'), RETINAFACE_ORDER, retinaface, buildRetinaFace);
    await expect(openEngine(space, { models: [other] })).rejects.toMatchObject({ code: 'weights-layers' });
  });
});
