// What a smaller detection scale costs and brings, on your own weights and photos: every photo embedded with RetinaFace
// at its own scale (1,024) and at smaller ones; faces are paired by their boxes.
//
//   npm run bench -- deepface-scale --photos DIR [--models DIR] [--scales 640,512] [--json]
//
// The distances mean something only with real weights: seeded ones know no faces.
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Box } from '#kith/face/face.js';
import type { EmbeddedFace } from '#kith/inference/engine.js';
import { openEngine } from '#kith/inference/engines.js';
import { decodePhoto } from '#kith/photo/photo.js';
import { cosineDistance } from '../test/support/references.js';

const { values } = parseArgs({
  options: {
    photos: { type: 'string', default: 'node_modules/@vladmandic/face-api/demo' },
    models: { type: 'string', default: path.join(homedir(), '.deepface', 'weights') },
    scales: { type: 'string', default: '640' },
    json: { type: 'boolean', default: false },
  },
});
const names = (await readdir(values.photos)).filter((name) => /\.(jpe?g|png)$/i.test(name));
const files = await Promise.all(names.map((name) => readFile(path.join(values.photos, name))));

interface Run {
  readonly faces: readonly EmbeddedFace[][];
  readonly msPerPhoto: number;
}

async function run(detector: string): Promise<Run> {
  const space = { model: 'arcface', detector, aligned: true, normalization: 'base', expand: 0 };
  await using engine = await openEngine(space, { models: [values.models] });
  const photos = await Promise.all(files.map((file) => decodePhoto(file)));
  await engine.detect(photos[0]!);
  const start = performance.now();
  const faces: EmbeddedFace[][] = [];
  for (const photo of photos) faces.push(await engine.embed(photo));
  return { faces, msPerPhoto: (performance.now() - start) / photos.length };
}

function overlap(a: Box, b: Box): number {
  const side = (x: number, w: number, y: number, v: number): number =>
    Math.max(0, Math.min(x + w, y + v) - Math.max(x, y));
  const shared = side(a.x, a.width, b.x, b.width) * side(a.y, a.height, b.y, b.height);
  return shared / (a.width * a.height + b.width * b.height - shared);
}

/** Distance of each face from the same face at the other scale; `null` where it was not found again. */
function distances(full: Run, smaller: Run): (number | null)[] {
  return full.faces.flatMap((faces, i) =>
    faces.map((face) => {
      const again = smaller.faces[i]!.find((other) => overlap(face.box, other.box) > 0.5);
      return again === undefined ? null : cosineDistance(face.embedding.values, again.embedding.values);
    }),
  );
}

const full = await run('retinaface');
const rows = [];
for (const scale of values.scales.split(',')) {
  const smaller = await run(`retinaface${scale}`);
  const all = distances(full, smaller);
  const found = all.filter((distance) => distance !== null).sort((a, b) => a - b);
  rows.push({
    scale: Number(scale),
    msPerPhoto: smaller.msPerPhoto,
    faces: all.length,
    lost: all.length - found.length,
    median: found[found.length >> 1] ?? null,
    largest: found.at(-1) ?? null,
  });
}
const result = { bench: 'deepface-scale', photos: files.length, msPerPhoto: full.msPerPhoto, rows };
if (values.json) console.log(JSON.stringify(result, null, 1));
else {
  console.log(`${files.length} photos; at 1024: ${full.msPerPhoto.toFixed(0)} ms a photo`);
  for (const { scale, msPerPhoto, faces, lost, median, largest } of rows)
    console.log(
      `at ${scale}: ${msPerPhoto.toFixed(0)} ms; ${lost} of ${faces} faces lost; distance from the same face at 1024: median ${median?.toFixed(4)}, largest ${largest?.toFixed(4)}`,
    );
}
