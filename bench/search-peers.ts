// The same gallery searched by what people would take instead, in one run: time of a search and how often it finds the
// true nearest face.
//
//   npm run bench -- search-peers [--faces 23640] [--probes 200] [--peers DIR] [--python python3] [--json]
//
// --peers: a folder with the npm packages hnswlib-node and usearch (npm install --prefix DIR hnswlib-node usearch).
// --python: one with numpy and psycopg2. What is not there is said to be left out.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openExactSearch } from '#kith/datastore/exact-search.js';
import { writeDatastore } from '#kith/datastore/write.js';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import { serverGallery } from './support/bench-database.js';
import { GalleryGenerator } from './support/gallery-generator.js';
import { loadDomain } from './support/gallery-load.js';
import { inTurns, percentile, round } from './support/measure.js';
import { findPython, runPython } from './support/python.js';

const { values } = parseArgs({
  options: {
    faces: { type: 'string', default: '23640' },
    probes: { type: 'string', default: '200' },
    peers: { type: 'string' },
    python: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const faces = Number(values.faces);
const shape = { faces, persons: Math.ceil(faces / 9), seed: 1, dimensions: 512 };
const NAME = 'model_arcface_detector_retinaface_aligned_normalization_base_expand_0';
const SPACE = spaceFromName(parseSpaceName(NAME), 512);
const EF_SEARCH = 100;

/** Distance of the nearest face that a way finds. */
type Way = (probe: Float32Array) => Promise<number>;

const unit = (vector: Float32Array): Float32Array => {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
};

const folder = await mkdtemp(join(tmpdir(), 'kith-bench-'));
const vectors = Array.from(new GalleryGenerator(shape).faces(), (face) => face.values);
const units = vectors.map(unit);
await using bench = await serverGallery();
const { generator } = await loadDomain(bench.gallery, 'slovenia', SPACE, shape);
const probes = Array.from({ length: Number(values.probes) }, (_, n) =>
  generator.probe(n % 10 === 0 ? 'outlier' : 'clustered'),
);
const datastore = join(folder, `ds_${NAME}.pkl`);
await writeDatastore(
  datastore,
  (function* () {
    for (let from = 0; from < faces; from += 500)
      yield vectors.slice(from, from + 500).map((embedding, i) => ({
        identity: `storage/slovenia/Person ${(from + i) % shape.persons}/${from + i}.jpg`,
        hash: String(from + i).padStart(40, '0'),
        embedding,
        box: { x: 1, y: 2, width: 90, height: 110 },
      }));
  })(),
);

/** The truth: every face, in double precision. */
const truth = probes.map((probe) => {
  const wanted = unit(probe);
  let best = Number.POSITIVE_INFINITY;
  for (const face of units) {
    let dot = 0;
    for (let i = 0; i < face.length; i++) dot += face[i]! * wanted[i]!;
    best = Math.min(best, 1 - dot);
  }
  return best;
});

await using exact = openExactSearch();
const matrix = await exact.open(datastore);
const ways: Record<string, Way> = {
  'Kith, PostgreSQL, ef_search 100': async (probe) => {
    const found = await bench.gallery.findMatches(probe, 'slovenia', { efSearch: EF_SEARCH, threshold: 2 });
    return found[0]!.distance;
  },
  'Kith, exact over the datastore': async (probe) =>
    (await matrix.search(probe, { topK: 5, threshold: 2 }))[0]!.distance,
};
const notes: string[] = [];

interface Hnswlib {
  HierarchicalNSW: new (
    space: string,
    dimensions: number,
  ) => {
    initIndex(options: { maxElements: number; m: number; efConstruction: number }): void;
    addPoint(point: number[], label: number): void;
    setEf(ef: number): void;
    searchKnn(point: number[], k: number): { distances: number[] };
  };
}
interface Usearch {
  Index: new (options: {
    dimensions: number;
    metric: string;
    connectivity: number;
    expansion_add: number;
    expansion_search: number;
  }) => {
    add(key: bigint, vector: Float32Array): void;
    search(vector: Float32Array, k: number, threads: number): { distances: Float32Array };
  };
}

async function addPeers(dir: string): Promise<void> {
  const required = createRequire(resolve(dir, 'package.json'));
  const { HierarchicalNSW } = required('hnswlib-node') as Hnswlib;
  const hnswlib = new HierarchicalNSW('cosine', 512);
  hnswlib.initIndex({ maxElements: faces, m: 16, efConstruction: 64 });
  vectors.forEach((vector, label) => {
    hnswlib.addPoint([...vector], label);
  });
  hnswlib.setEf(EF_SEARCH);
  // Asking takes plain arrays; turning one into it is part of the call, as it is for whoever has an embedding.
  ways['hnswlib-node in process, ef 100'] = async (probe) => hnswlib.searchKnn([...probe], 10).distances[0]!;
  const { Index } = required('usearch') as Usearch;
  const options = { connectivity: 16, expansion_add: 64, expansion_search: EF_SEARCH };
  const usearch = new Index({ dimensions: 512, metric: 'cos', ...options });
  for (const [label, vector] of vectors.entries()) usearch.add(BigInt(label), vector);
  ways['usearch in process, expansion 100'] = async (probe) => usearch.search(probe, 10, 1).distances[0]!;
}

if (values.peers === undefined) notes.push('hnswlib-node, usearch: left out, no --peers');
else await addPeers(values.peers);

const PYTHON = `
import json, pickle, sys, time
import numpy as np, psycopg2
path, probes_path, url = sys.argv[1:4]
with open(path, "rb") as file: rows = pickle.load(file)
matrix = np.array([row["embedding"] for row in rows], "f4")
norms = np.linalg.norm(matrix, axis=1)
probes = np.fromfile(probes_path, "f4").reshape(-1, matrix.shape[1])
def timed(work, some):
    work(some[0]); times, found = [], []
    for probe in some:
        start = time.perf_counter(); found.append(float(work(probe))); times.append((time.perf_counter() - start) * 1e3)
    return {"times": times, "found": found}
def numpy_exact(probe):
    distances = 1 - (matrix @ probe) / (norms * np.linalg.norm(probe))
    return distances[np.argsort(distances)[:5]][0]
connection = psycopg2.connect(url); cursor = connection.cursor()
cursor.execute("set hnsw.ef_search = 100")
def psycopg(probe):  # the old service's statement
    text = "[" + ",".join(str(x) for x in probe.tolist()) + "]"
    cursor.execute("""select p.name, f.image_path, f.embedding <=> %s::vector as distance from face_embeddings f
      join persons p on f.person_id = p.id where p.domain = %s order by f.embedding <=> %s::vector limit 10""", (text, "slovenia", text))
    return cursor.fetchall()[0][2]
def row_loop(probe):  # deepface 0.0.100: modules/recognition.py and verification.py
    with open(path, "rb") as file: stored = pickle.load(file)
    a = probe.tolist(); best = 9.0
    for row in stored:
        x, y = np.asarray(a), np.asarray(row["embedding"])
        best = min(best, 1 - np.dot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y)))
    return best
print(json.dumps({"numpy, exact": timed(numpy_exact, probes), "psycopg2 + pgvector as the old service, ef_search 100": timed(psycopg, probes), "DeepFace's row loop": timed(row_loop, probes[:5])}))`;

const rounds = probes.length;
const found: Record<string, number[]> = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
// Each by itself, as Python's are: in turns, one that reads everything would empty the caches of all others.
const times: Record<string, number[]> = {};
for (const [name, way] of Object.entries(ways))
  Object.assign(
    times,
    await inTurns(rounds, {
      [name]: async (turn: number) => {
        found[name]![turn] = await way(probes[turn % rounds]!);
      },
    }),
  );
const results = Object.entries(times).map(([name, list]) => ({ name, times: list, found: found[name]! }));

const python = findPython(['numpy', 'psycopg2'], values.python);
if (python === null) notes.push('numpy, psycopg2, DeepFace’s loop: left out, no Python with numpy and psycopg2');
else {
  const probesFile = join(folder, 'probes.bin');
  await writeFile(probesFile, Buffer.concat(probes.map((probe) => Buffer.from(probe.buffer))));
  const answers = runPython(python, PYTHON, [datastore, probesFile, bench.url]) as Record<
    string,
    { times: number[]; found: number[] }
  >;
  for (const [name, each] of Object.entries(answers)) results.push({ name, ...each });
}
await rm(folder, { recursive: true, force: true });

const rows = results.map(({ name, times: list, found: nearest }) => ({
  name,
  p50: round(percentile(list, 0.5), 2),
  p99: round(percentile(list, 0.99), 2),
  recallAt1: round(nearest.filter((distance, n) => distance <= truth[n]! + 1e-5).length / nearest.length),
}));
const answer = { bench: 'search-peers', faces, probes: rounds, rows, notes };
if (values.json) console.log(JSON.stringify(answer));
else {
  console.table(rows);
  for (const note of notes) console.log(note);
}
