// How well the bundled engine tells people apart, and which threshold that asks for.
//
//   npm run bench -- engine-pairs [--faces DIR] [--json]
//
// DIR holds photos of one person each and labels.csv (`image,person`). Without it only the sample photos inside
// @vladmandic/face-api are used: changed copies of them, blur, and the pairs within one photo, who are two people.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import sharp, { type Sharp } from 'sharp';
import { distance } from '#kith/embedding/distance.js';
import type { Embedding } from '#kith/embedding/embedding.js';
import type { Metric } from '#kith/embedding/space.js';
import { defaultThreshold } from '#kith/embedding/threshold.js';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import type { EmbeddedFace } from '#kith/inference/engine.js';
import { decodePhoto } from '#kith/photo/photo.js';

const { values } = parseArgs({ options: { faces: { type: 'string' }, json: { type: 'boolean', default: false } } });
const METRICS: readonly Metric[] = ['cosine', 'euclidean', 'euclidean_l2'];
const engine = await openBundledEngine();
const embed = async (bytes: Buffer): Promise<EmbeddedFace[]> => engine.embed(await decodePhoto(bytes));
const round = (value: number): number => Number(value.toFixed(4));

interface Labelled {
  readonly person: string;
  readonly embedding: Embedding;
}

/** Pairs of one person and of two, by metric: the largest distance of the first, the smallest of the second. */
function separate(faces: readonly Labelled[]): Record<string, object> {
  const pairs = faces.flatMap((one, i) => faces.slice(i + 1).map((other) => [one, other] as const));
  return Object.fromEntries(
    METRICS.map((metric) => {
      const at = (same: boolean): number[] =>
        pairs
          .filter(([one, other]) => (one.person === other.person) === same)
          .map(([one, other]) => distance(one.embedding, other.embedding, metric));
      const [same, different] = [at(true), at(false)];
      const threshold = defaultThreshold({ model: engine.space.model, metric }) ?? Number.NaN;
      const largestSame = Math.max(...same);
      const smallestDifferent = Math.min(...different);
      return [
        metric,
        {
          threshold,
          samePairs: same.length,
          differentPairs: different.length,
          largestSame: same.length === 0 ? null : round(largestSame),
          smallestDifferent: round(smallestDifferent),
          falseMatches: different.filter((value) => value <= threshold).length,
          falseNonMatches: same.filter((value) => value > threshold).length,
        },
      ];
    }),
  );
}

async function labelledFaces(folder: string): Promise<Labelled[]> {
  const rows = (await readFile(path.join(folder, 'labels.csv'), 'utf8')).trim().split('\n').slice(1);
  return Promise.all(
    rows.map(async (row) => {
      const [image = '', person = ''] = row.trim().split(',');
      const [best] = await embed(await readFile(path.join(folder, image)));
      if (best === undefined) throw new Error(`no face in ${image}`);
      return { person, embedding: best.embedding };
    }),
  );
}

const samples = await Promise.all(
  [1, 2, 3, 4, 5, 6].map((i) => readFile(`node_modules/@vladmandic/face-api/demo/sample${i}.jpg`)),
);
const originals = await Promise.all(samples.map(embed));

/** Every face of the samples against itself in a changed copy. */
async function changed(change: (image: Sharp) => Sharp, quality = 80): Promise<object> {
  const distances: number[] = [];
  const sharpness: number[] = [];
  let lost = 0;
  for (const [i, bytes] of samples.entries()) {
    const copies = await embed(await change(sharp(bytes)).jpeg({ quality }).toBuffer());
    for (const face of originals[i] ?? []) {
      const [nearest] = copies
        .map((copy) => ({ copy, at: distance(face.embedding, copy.embedding) }))
        .sort((a, b) => a.at - b.at);
      if (nearest === undefined || nearest.at > 0.3) lost += 1;
      else {
        distances.push(nearest.at);
        sharpness.push(nearest.copy.quality.sharpness);
      }
    }
  }
  const middle = (list: number[]): number => round([...list].sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN);
  return {
    faces: distances.length,
    lost,
    median: middle(distances),
    largest: round(Math.max(...distances)),
    sharpness: middle(sharpness),
  };
}

const result = {
  bench: 'engine-pairs',
  ...(values.faces === undefined ? {} : { labelled: separate(await labelledFaces(values.faces)) }),
  // People in one photo are different people; across photos nobody knows.
  withinSamples: originals.map((faces) =>
    separate(faces.map((face, i) => ({ person: String(i), embedding: face.embedding }))),
  ),
  copies: {
    'half the size': await changed((image) => image.resize({ width: 960 })),
    'quality 40': await changed((image) => image, 40),
    'turned by 5°': await changed((image) => image.rotate(5)),
    'turned by 10°': await changed((image) => image.rotate(10)),
    'turned by 15°': await changed((image) => image.rotate(15)),
    grey: await changed((image) => image.grayscale()),
    darker: await changed((image) => image.linear(0.6, 0)),
  },
  blur: {
    'sigma 1': await changed((image) => image.blur(1), 95),
    'sigma 2': await changed((image) => image.blur(2), 95),
    'sigma 3': await changed((image) => image.blur(3), 95),
    'sigma 4': await changed((image) => image.blur(4), 95),
    'sigma 6': await changed((image) => image.blur(6), 95),
    'sigma 8': await changed((image) => image.blur(8), 95),
  },
};
await engine[Symbol.asyncDispose]();
if (values.json) console.log(JSON.stringify(result));
else {
  if ('labelled' in result) console.table(result.labelled);
  const totals = METRICS.map((metric) => {
    const photos = result.withinSamples.map((photo) => photo[metric] as Record<string, number>);
    const sum = (key: string): number => photos.reduce((total, photo) => total + (photo[key] ?? 0), 0);
    const smallest = Math.min(...photos.map((photo) => photo.smallestDifferent ?? Number.NaN));
    return [metric, { differentPairs: sum('differentPairs'), falseMatches: sum('falseMatches'), smallest }] as const;
  });
  console.table(Object.fromEntries(totals));
  console.table(result.copies);
  console.table(result.blur);
}
