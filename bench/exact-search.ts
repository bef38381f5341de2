// How fast a datastore is searched exactly (mode `pkl`), beside numpy's matrix product and DeepFace's row loop on the
// same vectors in the same run.
//
//   npm run bench -- exact-search [--rows 23640] [--rounds 60] [--python python3] [--json]
//
// numpy is asked for in the Python given; DeepFace's loop is what `find` does per call (load the pickle, one cosine a
// row), without its embedding of the probe.
import { parseArgs } from 'node:util';
import { openDatastore } from '#kith/datastore/datastore.js';
import type { ExactProbe } from '#kith/datastore/exact-faces.js';
import { openExactSearch } from '#kith/datastore/exact-search.js';
import { makeDatastore } from './support/made-datastore.js';
import { findPython, runPython } from './support/python.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '23640' },
    rounds: { type: 'string', default: '60' },
    python: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);

const NUMPY = `
import json, pickle, sys, time
import numpy as np
path, rounds = sys.argv[1], int(sys.argv[2])
with open(path, "rb") as file: rows = pickle.load(file)
matrix = np.array([row["embedding"] for row in rows], "f4")
norms = np.linalg.norm(matrix, axis=1)
def timed(work, times):
    out = []
    for i in range(times):
        start = time.perf_counter(); work(i); out.append((time.perf_counter() - start) * 1e3)
    return sorted(out)
probe = lambda i: matrix[i * 389 % len(rows)]
product = timed(lambda i: matrix @ probe(i), rounds)
nearest = timed(lambda i: np.argsort(1 - (matrix @ probe(i)) / (norms * np.linalg.norm(probe(i))))[:5], rounds)
def find(i):
    with open(path, "rb") as file: stored = pickle.load(file)
    a = probe(i).tolist(); distances = []
    for row in stored:  # deepface 0.0.100, modules/recognition.py and verification.py
        x, y = np.asarray(a), np.asarray(row["embedding"])
        distances.append(1 - np.dot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y)))
    sorted(range(len(distances)), key=distances.__getitem__)[:5]
loop = timed(find, 3)
print(json.dumps({"product": [product[0], product[len(product) // 2]], "nearest": [nearest[0], nearest[len(nearest) // 2]], "loop": [loop[0], loop[1]]}))`;

interface Peers {
  readonly product: [best: number, median: number];
  readonly nearest: [best: number, median: number];
  readonly loop: [best: number, median: number];
}

async function probesOf(path: string, count: number): Promise<ExactProbe[]> {
  const probes: ExactProbe[] = [];
  const step = Math.floor(Number(values.rows) / count);
  for await (const batch of (await openDatastore(path)).rows())
    for (const { row, embedding, identity } of batch)
      if (row % step === 0 && embedding !== null) probes.push({ values: embedding.slice(), exclude: identity ?? '' });
  return probes.slice(0, count);
}

const bestAndMedian = (times: number[]): [number, number] => {
  times.sort((a, b) => a - b);
  return [times[0] ?? Number.NaN, times[Math.floor(times.length / 2)] ?? Number.NaN];
};

await using datastore = await makeDatastore(Number(values.rows), 2625);
const probes = await probesOf(datastore.path, rounds);
await using exact = openExactSearch();
const start = performance.now();
const index = await exact.open(datastore.path);
const loadMs = performance.now() - start;

const times: number[] = [];
for (const { values: vector, exclude = '' } of probes) {
  const began = performance.now();
  await index.search(vector, { topK: 5, exclude });
  times.push(performance.now() - began);
}
const batchBegan = performance.now();
await index.searchBatch(probes, { topK: 5 });
const batchMs = (performance.now() - batchBegan) / probes.length;

/** Dot products of every row with one probe in JavaScript, four sums at a time: what the kernel replaces. */
function plainLoop(matrix: Float32Array, probe: Float32Array, results: Float32Array): void {
  const n = probe.length;
  for (let row = 0, at = 0; row < results.length; row++) {
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let k = 0; k + 3 < n; k += 4, at += 4) {
      a += matrix[at]! * probe[k]!;
      b += matrix[at + 1]! * probe[k + 1]!;
      c += matrix[at + 2]! * probe[k + 2]!;
      d += matrix[at + 3]! * probe[k + 3]!;
    }
    results[row] = a + b + c + d;
  }
}
const matrix = Float32Array.from({ length: index.status().faces * 512 }, (_, i) => Math.sin(i));
const results = new Float32Array(index.status().faces);
const loop = bestAndMedian(
  probes.map(({ values: vector }) => {
    const began = performance.now();
    plainLoop(matrix, vector, results);
    return performance.now() - began;
  }),
);

const [best, median] = bestAndMedian(times);
const python = findPython(['numpy'], values.python);
const peers = python === null ? null : (runPython(python, NUMPY, [datastore.path, values.rounds]) as Peers);
if (python === null && !values.json) console.log('no Python with numpy here: nothing to compare with');

const { faces, persons, dimensions } = index.status();
const result = {
  faces,
  persons,
  dimensions,
  loadMs,
  search: { best, median },
  batchMsPerProbe: batchMs,
  plainLoop: loop,
  peers,
};
if (values.json) console.log(JSON.stringify({ node: process.version, ...result }));
else {
  const row = (milliseconds: [number, number]) => ({
    'best ms': Number(milliseconds[0].toFixed(2)),
    'median ms': Number(milliseconds[1].toFixed(2)),
    'Kith is faster (medians)': `${(milliseconds[1] / median).toFixed(1)}×`,
  });
  console.log(`${faces} faces of ${persons} persons, ${dimensions} dimensions; loaded in ${loadMs.toFixed(0)} ms`);
  console.table({
    'Kith, five persons, thread and all': row([best, median]),
    'Kith, one probe of a batch': row([batchMs, batchMs]),
    'a plain loop in JavaScript, dot products alone': row(loop),
    ...(peers !== null && {
      'numpy, matrix product alone': row(peers.product),
      'numpy, five faces': row(peers.nearest),
      'DeepFace’s loop': row(peers.loop),
    }),
  });
}
