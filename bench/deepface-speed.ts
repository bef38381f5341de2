// How fast ArcFace and RetinaFace are here, beside real DeepFace on TensorFlow, on the same weights and photo in the
// same run. The two take turns, so that whatever else the machine does weighs on both.
//
//   npm run bench -- deepface-speed --python /tmp/oracle/bin/python [--rounds N] [--rows N] [--photo FILE] [--json]
//
// The Python is one with oracle/requirements.txt installed; without it only Kith is measured, on weights that the
// oracle left in KITH_ORACLE_HOME.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { openExactSearch } from '#kith/datastore/exact-search.js';
import { parseSpaceName } from '#kith/embedding/space.js';
import type { FaceEngine } from '#kith/inference/engine.js';
import { openEngine } from '#kith/inference/engines.js';
import { decodePhoto } from '#kith/photo/photo.js';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '23661' },
    photo: { type: 'string', default: 'node_modules/@vladmandic/face-api/demo/sample1.jpg' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const home = process.env.KITH_ORACLE_HOME ?? '/tmp/kith-oracle';
const models = [path.join(home, '.deepface', 'weights')];
const SPACE = 'model_arcface_detector_retinaface_aligned_normalization_base_expand_0';
const datastore = path.join(home, 'storage', 'domain', `ds_${SPACE}.pkl`);
const file = await readFile(values.photo);

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
/** Milliseconds passed, and of processor time: the second says more where other programs are at work. */
interface Time {
  readonly wall: number;
  readonly processor: number;
}
const timed = async (work: () => Promise<unknown>): Promise<Time> => {
  const start = performance.now();
  const busy = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(busy);
  return { wall: performance.now() - start, processor: (user + system) / 1000 };
};
const megabytes = (what: 'VmHWM' | 'RssFile'): number =>
  Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
const peakMegabytes = (): number => megabytes('VmHWM');

/** Real DeepFace in a process of its own, asked for one task at a time. */
class DeepFace {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout! });
  }

  static async start(python: string): Promise<DeepFace> {
    const script = path.resolve('oracle/timing.py');
    const args = [script, '--photo', values.photo, '--rows', values.rows];
    execFileSync(python, [...args, '--prepare'], { stdio: ['ignore', 'ignore', 'ignore'] });
    const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    const deepface = new DeepFace(child);
    await once(deepface.#lines, 'line');
    return deepface;
  }

  async ask(task: string): Promise<Time> {
    const answer = once(this.#lines, 'line');
    this.#child.stdin!.write(`${task}\n`);
    const [wall, processor] = String((await answer)[0])
      .split(' ')
      .map(Number);
    return { wall: wall!, processor: processor! };
  }

  async end(): Promise<void> {
    this.#child.stdin!.end();
    await once(this.#child, 'exit');
  }
}

const NONE: Time = { wall: Number.NaN, processor: Number.NaN };
type Times = Record<string, { kith: Time[]; deepface: Time[] }>;
const times: Times = {};

/** Both in turn, after one round that warms up. */
async function compare(task: string, deepface: DeepFace | null, kith: () => Promise<unknown>): Promise<void> {
  const into = { kith: [] as Time[], deepface: [] as Time[] };
  times[task] = into;
  for (let round = 0; round <= rounds; round++) {
    const ours = await timed(kith);
    const theirs = (await deepface?.ask(task)) ?? NONE;
    if (round === 0) continue;
    into.kith.push(ours);
    into.deepface.push(theirs);
  }
}

async function measurePhoto(engine: FaceEngine, deepface: DeepFace | null): Promise<number> {
  const photo = await decodePhoto(file);
  await compare('retinaface', deepface, () => engine.detect(photo));
  await compare('represent', deepface, async () => engine.embed(await decodePhoto(file)));
  await using exact = openExactSearch();
  const index = await exact.open(datastore);
  let faces = 0;
  await compare('find', deepface, async () => {
    const found = await engine.embed(await decodePhoto(file));
    faces = found.length;
    for (const face of found) await index.search(face.embedding.values, { topK: 5, threshold: 0.68 });
  });
  return faces;
}

const deepface = values.python === undefined ? null : await DeepFace.start(values.python);
const memory: Record<string, number> = {};
let faces = 0;
{
  await using engine = await openEngine(parseSpaceName(SPACE), { models });
  faces = await measurePhoto(engine, deepface);
  memory.kith = peakMegabytes();
  // Weights and programs that the system can drop and read again: most of them are the networks' own files.
  memory.kithMappedFiles = megabytes('RssFile');
  memory.deepface = (await deepface?.ask('memory'))?.wall ?? Number.NaN;
  const large = await sharp(file).resize(4000, 3000, { fit: 'fill' }).jpeg().toBuffer();
  const wide = await decodePhoto(large);
  await engine.embed(wide);
  memory.kith12Megapixels = peakMegabytes();
}
{
  const skip = parseSpaceName('model_arcface_detector_skip_aligned_normalization_base_expand_0');
  await using engine = await openEngine(skip, { models });
  const face = await decodePhoto(await sharp(file).resize(112, 112, { fit: 'fill' }).png().toBuffer());
  await compare('arcface', deepface, () => engine.embed(face));
}
await deepface?.end();

const rows = Object.entries(times).map(([task, { kith, deepface: theirs }]) => {
  const of = (kind: keyof Time) => {
    const [ours, others] = [median(kith.map((time) => time[kind])), median(theirs.map((time) => time[kind]))];
    return { kithMs: ours, deepfaceMs: others, ratio: others / ours };
  };
  return { task, wall: of('wall'), processor: of('processor') };
});
const result = { bench: 'deepface-speed', cpu: cpus()[0]?.model, cores: cpus().length, rounds, faces, rows, memory };
if (values.json) console.log(JSON.stringify(result, null, 1));
else {
  console.log(`${result.cpu}, ${result.cores} cores; ${rounds} rounds; ${faces} faces in the photo`);
  const words = ({ kithMs, deepfaceMs, ratio }: (typeof rows)[number]['wall']): string =>
    `kith ${kithMs.toFixed(0)} ms, DeepFace ${deepfaceMs.toFixed(0)} ms: ${ratio.toFixed(2)}×`;
  for (const { task, wall, processor } of rows)
    console.log(`${task.padEnd(12)} ${words(wall)}; processor time ${words(processor)}`);
  for (const [what, size] of Object.entries(memory)) console.log(`peak memory ${what}: ${size.toFixed(0)} MB`);
}
