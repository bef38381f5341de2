// How fast the bundled engine is, beside face-api on TensorFlow.js's WebAssembly backend, on the same photos in the
// same run. The two take turns, so that whatever else the machine does weighs on both.
//
//   npm run bench -- engine-photo [--json] [--rounds N] [--workers N] [--threads N] [--batch N] [--device cuda]
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import type { FaceEngine } from '#kith/inference/engine.js';
import { embedFile } from '#kith/inference/photo-faces.js';
import { DEVICES } from '#kith/inference/session.js';
import { decodePhoto } from '#kith/photo/photo.js';
import { type FaceApi, loadFaceApi } from '../test/support/face-api.js';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '4' },
    workers: { type: 'string' },
    threads: { type: 'string' },
    batch: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
  },
});
const rounds = Number(values.rounds);
const cores = availableParallelism();
const device = DEVICES.find((name) => name === values.device);
if (device === undefined) throw new Error(`--device is one of ${DEVICES.join(', ')}`);
const settings = {
  device,
  ...(values.workers === undefined ? {} : { workers: Number(values.workers) }),
  ...(values.threads === undefined ? {} : { threads: Number(values.threads) }),
  ...(values.batch === undefined ? {} : { batch: Number(values.batch) }),
};
const samples = [1, 2, 3, 4, 5, 6].map((i) => `node_modules/@vladmandic/face-api/demo/sample${i}.jpg`);
const files = await Promise.all(samples.map((name) => readFile(name)));

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

/** One photo after the other, decoding included: milliseconds of each stage and in all. */
async function onePhoto(engine: FaceEngine, file: Buffer, into: Record<string, number[]>): Promise<void> {
  const add = (stage: string, milliseconds: number): void => {
    into[stage] = [...(into[stage] ?? []), milliseconds];
  };
  const start = performance.now();
  const onStages = (stages: Readonly<Record<string, number>>): void => {
    for (const [stage, milliseconds] of Object.entries(stages)) add(stage, milliseconds);
  };
  const { decodeMilliseconds } = await embedFile(engine, file, {}, { onStages });
  add('decode', decodeMilliseconds);
  add('total', performance.now() - start);
}

/** As many photos at once as the workers take; with `--batch` enough for batches of any size, so that sizes compare. */
const clientsOf = (engine: FaceEngine): number =>
  Math.max(values.batch === undefined ? cores + 1 : 48, engine.photosAtOnce);

/** Photos per second. */
async function saturated(engine: FaceEngine, photos: number): Promise<number> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < photos) await embedFile(engine, files[next++ % files.length]!);
  };
  const clients = clientsOf(engine);
  const milliseconds = await timed(() => Promise.all(Array.from({ length: clients }, client)));
  return (photos * 1000) / milliseconds;
}

async function faceApiPhoto(api: FaceApi, file: Buffer): Promise<number> {
  return timed(async () => api.recognise(await decodePhoto(file)));
}

const readyMs: number[] = [];
for (let i = 0; i < 3; i++) {
  let engine: FaceEngine | undefined;
  readyMs.push(
    await timed(async () => {
      engine = await openBundledEngine(settings);
    }),
  );
  await engine?.[Symbol.asyncDispose]();
}

const engine = await openBundledEngine(settings);
const api = await loadFaceApi();
await saturated(engine, 2 * cores);
await faceApiPhoto(api, files[0]!);

const ours: Record<string, number[]> = {};
const perSecond: number[] = [];
const theirs: number[] = [];
const delay = monitorEventLoopDelay({ resolution: 1 });
for (let round = 0; round < rounds; round++)
  for (const [i, file] of files.entries()) {
    await onePhoto(engine, file, ours);
    theirs.push(await faceApiPhoto(api, file));
    if (i % 3 !== 0) continue;
    // Only our own share of the run counts: face-api computes on the main thread.
    delay.enable();
    perSecond.push(await saturated(engine, Math.max(6 * cores, 3 * clientsOf(engine))));
    delay.disable();
  }
await engine[Symbol.asyncDispose]();

const stages = Object.fromEntries(Object.entries(ours).map(([stage, list]) => [stage, median(list)]));
const faceApiMs = median(theirs);
const result = {
  bench: 'engine-photo',
  settings,
  machine: { cores, processor: cpus()[0]?.model ?? 'unknown', node: process.version },
  photos: { count: files.length, size: '1920 × 1280 to 1920 × 1537', faces: '3 to 5' },
  runs: theirs.length,
  millisecondsPerPhoto: { ...stages },
  photosPerSecond: median(perSecond),
  readyMilliseconds: median(readyMs),
  eventLoopDelayP99Milliseconds: delay.percentile(99) / 1e6,
  faceApi: { backend: api.backend, millisecondsPerPhoto: faceApiMs, photosPerSecond: 1000 / faceApiMs },
  ratios: {
    perPhoto: faceApiMs / (stages.total ?? Number.NaN),
    photosPerSecond: (median(perSecond) * faceApiMs) / 1000,
  },
};

if (values.json) console.log(JSON.stringify(result));
else {
  const row = (name: string, value: number, unit: string): string =>
    `${name.padEnd(44)}${value.toFixed(1).padStart(9)} ${unit}`;
  console.log(
    [
      `bundled engine on ${cores} cores, ${files.length} photos of 3 to 5 faces, median of ${theirs.length} runs`,
      ...Object.entries(stages).map(([stage, milliseconds]) =>
        row(`  ${stage}, one photo at a time`, milliseconds, 'ms'),
      ),
      row('  all cores', result.photosPerSecond, 'photos/s'),
      row('  ready after', result.readyMilliseconds, 'ms'),
      row('  event-loop delay p99 at saturation', result.eventLoopDelayP99Milliseconds, 'ms'),
      row(`face-api on ${api.backend}, one photo at a time`, faceApiMs, 'ms'),
      row('ratio per photo (at least 6)', result.ratios.perPhoto, '×'),
      row('ratio of photos per second (at least 8)', result.ratios.photosPerSecond, '×'),
    ].join('\n'),
  );
}
process.exit(0);
