import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '#kith/inference/graph-builder.js';
import { inWindow } from '#kith/inference/networks/photo-window.js';
import { buildRetinaFace } from '#kith/inference/networks/retinaface.js';
import { openSession } from '#kith/inference/session.js';
import { seededWeights } from '../support/seeded-weights.js';

type Sides = readonly [top: number, left: number, bottom: number, right: number];

/** Numbers in a photo, black around it. */
function imageOf(height: number, width: number, [top, left, bottom, right]: Sides): Float32Array {
  const data = new Float32Array(3 * height * width);
  for (let channel = 0; channel < 3; channel++)
    for (let y = top; y < bottom; y++)
      for (let x = left; x < right; x++)
        data[(channel * height + y) * width + x] = (channel * 89 + y * 57 + x * 131 + ((x * y) % 17) * 29) % 256;
  return data;
}

async function run(session: InferenceSession, height: number, width: number, photo: Sides, told: Sides) {
  const outputs = await session.run({
    image: new Tensor('float32', imageOf(height, width, photo), [1, 3, height, width]),
    photo: new Tensor('int64', BigInt64Array.from(told, BigInt), [4]),
  });
  return Object.values(outputs).map(({ dims, data }) => ({ dims, data: data as Float32Array }));
}

/** The largest difference of what comes out when the photo's place is told, and when everything is called the photo. */
async function difference(session: InferenceSession, height: number, width: number, photo: Sides): Promise<number> {
  const windowed = await run(session, height, width, photo, photo);
  const whole = await run(session, height, width, photo, [0, 0, height, width]);
  expect(windowed.map(({ dims }) => dims)).toEqual(whole.map(({ dims }) => dims));
  let largest = 0;
  for (const [n, { data }] of whole.entries()) {
    const scale = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
    for (let i = 0; i < data.length; i++)
      largest = Math.max(largest, Math.abs(data[i]! - windowed[n]!.data[i]!) / scale);
  }
  return largest;
}

describe('a window around the photo', () => {
  // Two 3 × 3 convolutions of stride 2 and one of stride 1: an output row r depends on input rows 4 r ± 7.
  const build = (reach: number): Uint8Array => {
    const g = new GraphBuilder('test');
    const image = g.input('image', 'float32', [1, 3, 'h', 'w']);
    const photo = g.input('photo', 'int64', [4]);
    const kernel = (from: number, to: number, seed: number) =>
      g.constant(
        Float32Array.from({ length: to * from * 9 }, (_, i) => Math.sin(seed + i * 1.7) / 4),
        [to, from, 3, 3],
      );
    const bias = g.constant(Float32Array.of(0.3, -0.2, 0.1, 0.4), [4]);
    const layers = [
      [3, 2],
      [4, 2],
      [4, 1],
    ].map(([from, stride], n) => ({ w: kernel(from!, 4, n), stride: stride! }));
    const result = inWindow(g, image, photo, { stride: 4, reach }, (window) =>
      layers.reduce(
        (x, { w, stride }) =>
          g.node('Relu', [
            g.node('Conv', [x, w, bias], { kernel_shape: [3, 3], strides: [stride, stride], pads: [1, 1, 1, 1] }),
          ]),
        window,
      ),
    );
    g.output(result, 'result', 'float32', [1, 4, 'y', 'x']);
    return g.build();
  };
  let session: InferenceSession;
  beforeAll(async () => {
    session = await openSession(build(7));
  });
  afterAll(() => session.release());

  it.each<[string, number, number, Sides]>([
    ['in the middle', 120, 160, [30, 40, 90, 120]],
    ['in the middle of odd sizes', 121, 163, [30, 41, 91, 122]],
    ['a few pixels large', 97, 98, [48, 48, 50, 49]],
    ['at the top left', 99, 90, [0, 0, 20, 30]],
    ['at the bottom right', 99, 90, [80, 70, 99, 90]],
    ['as wide as the image', 101, 77, [40, 0, 60, 77]],
    ['all of it', 50, 61, [0, 0, 50, 61]],
    ['in an image without a middle', 9, 200, [3, 60, 6, 140]],
    ['of one row', 1, 40, [0, 10, 1, 30]],
  ])('%s', async (_, height, width, photo) => {
    expect(await difference(session, height, width, photo)).toBeLessThan(1e-6);
  });

  it('would be seen to be too small', async () => {
    const small = await openSession(build(3));
    expect(await difference(small, 120, 160, [30, 40, 90, 120])).toBeGreaterThan(1e-3);
    await small.release();
  });
});

describe('RetinaFace in its window', () => {
  let session: InferenceSession;
  beforeAll(async () => {
    session = await openSession(buildRetinaFace(seededWeights({ seed: 3, model: 'retinaface', gain: 1 })), {
      threads: 2,
    });
  });
  afterAll(() => session.release());

  it.each<[number, number, Sides]>([
    [704, 640, [300, 250, 390, 350]],
    [395, 501, [99, 125, 297, 376]],
    [300, 420, [140, 200, 160, 230]],
  ])('gives the same maps, %i × %i', async (height, width, photo) => {
    expect(await difference(session, height, width, photo)).toBeLessThan(1e-5);
  });
});
