// How long `kith migrate` takes to load a datastore into PostgreSQL, beside the least that the server itself needs for
// it: binary COPY of the same rows into a bare table and the same index over them. The two take turns.
//
//   KITH_TEST_DATABASE_URL=… npm run bench -- migration-load [--rows 23661] [--persons 2625] [--rounds 3] [--json]
//
// It makes and drops databases of its own. Reading the pickle, checking every row, reconciling, the person table, all
// eight indexes and the validation of every vector are on Kith's side of the ratio only.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type WritableRow, writeDatastore } from '#kith/datastore/write.js';
import { encodeCopy } from '#kith/gallery/copy-encode.js';
import type { Database } from '#kith/gallery/database.js';
import { migrate } from '#kith/migration/migrate.js';
import { isFailed } from '#kith/migration/report.js';
import { serverGallery } from './support/bench-database.js';
import { GalleryGenerator } from './support/gallery-generator.js';

const { values: given } = parseArgs({
  options: {
    rows: { type: 'string', default: '23661' },
    persons: { type: 'string', default: '2625' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const [rows, persons, rounds] = [given.rows, given.persons, given.rounds].map(Number) as [number, number, number];

const ARCFACE_FILE = 'ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl';
const BATCH = 500;

/** The same rows each time they are asked for, made as they are needed. */
function* batches(): Generator<WritableRow[]> {
  let batch: WritableRow[] = [];
  let index = 0;
  for (const { person, values } of new GalleryGenerator({ faces: rows, persons }).faces()) {
    batch.push({
      identity: `storage/recognized_faces_prod/bench/Person ${person}/${index}.jpg`,
      hash: index.toString(16).padStart(40, '0'),
      embedding: values,
      box: { x: 1 + (index % 50), y: 2, width: 90, height: 110 },
    });
    index++;
    if (batch.length < BATCH && index < rows) continue;
    yield batch;
    batch = [];
  }
}

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

/** Binary COPY into a table without any index, then the HNSW index with the memory that a migration would take. */
async function bareLoad(database: Database): Promise<{ copy: number; index: number }> {
  await database.query({ text: 'create table bare (id serial, image_path text, embedding vector(512))' });
  async function* copied(): AsyncGenerator<(readonly [string, Float32Array])[]> {
    for (const batch of batches()) yield batch.map((row) => [row.identity!, row.embedding as Float32Array] as const);
  }
  const chunks: Buffer[] = [];
  // Made beforehand: making the rows is no part of the load. Too many to hold, they are made on the way.
  const prepared = rows <= 50_000;
  if (prepared) for await (const chunk of encodeCopy(['text', 'vector'], copied())) chunks.push(chunk);
  const source = prepared ? chunks : encodeCopy(['text', 'vector'], copied());
  const target = { table: 'bare', columns: ['image_path', 'embedding'] };
  const copy = await timed(() => database.copyIn(target, source));
  const index = await timed(() =>
    database.transaction(async (transaction) => {
      await transaction.query({
        text: `set local maintenance_work_mem = '1GB'; set local max_parallel_maintenance_workers = 0`,
      });
      await transaction.query({
        text: 'create index on bare using hnsw (embedding vector_cosine_ops) with (m = 16, ef_construction = 64)',
      });
    }),
  );
  return { copy, index };
}

const storage = mkdtempSync(join(tmpdir(), 'kith-bench-'));
mkdirSync(join(storage, 'bench'));
await writeDatastore(join(storage, 'bench', ARCFACE_FILE), batches());

const results: {
  bare: { copy: number; index: number };
  kith: number;
  again: number;
  phases: Record<string, number>;
}[] = [];
let peak = 0;
for (let round = 0; round < rounds; round++) {
  await using opened = await serverGallery();
  const { gallery } = opened;
  const bareFirst = round % 2 === 0;
  const bare = async (): Promise<{ copy: number; index: number }> => bareLoad(gallery.database);
  const before = bareFirst ? await bare() : null;
  const phases: Record<string, number> = {};
  let [phase, since] = ['opening', performance.now()];
  const onProgress = ({ phase: next }: { phase: string }): void => {
    peak = Math.max(peak, process.memoryUsage.rss());
    if (next === phase) return;
    phases[phase] = (phases[phase] ?? 0) + (performance.now() - since) / 1000;
    [phase, since] = [next, performance.now()];
  };
  const load = async (): Promise<void> => {
    for (const report of await migrate(gallery, { storage, domains: ['bench'], onProgress })) {
      if (isFailed(report)) throw new Error(report.error.message);
      if (report.validated?.ok !== rows) throw new Error(`${report.validated?.ok} of ${rows} rows arrived`);
    }
  };
  const kith = await timed(load);
  onProgress({ phase: 'done' });
  const again = await timed(load);
  results.push({ bare: before ?? (await bare()), kith, again, phases });
}
rmSync(storage, { recursive: true });

const ratios = results.map(({ bare, kith }) => kith / (bare.copy + bare.index));
const middle = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!;
const summary = {
  bench: 'migration-load',
  machine: { cores: availableParallelism(), processor: cpus()[0]?.model ?? 'unknown', node: process.version },
  rows,
  persons,
  rounds: results,
  ratio: middle(ratios),
  secondRunSeconds: middle(results.map(({ again }) => again)),
  peakResidentMegabytes: peak / 1e6,
};
if (given.json) console.log(JSON.stringify(summary));
else {
  for (const { bare, kith, again, phases } of results)
    console.log(
      `COPY ${bare.copy.toFixed(2)} s + index ${bare.index.toFixed(2)} s; migrate ${kith.toFixed(2)} s (${Object.entries(
        phases,
      )
        .map(([name, seconds]) => `${name} ${seconds.toFixed(2)}`)
        .join(', ')}); again ${again.toFixed(2)} s`,
    );
  console.log(
    `${rows} rows, ${persons} persons: migrate takes ${summary.ratio.toFixed(2)} × COPY and index (at most 1.3)`,
  );
  console.log(`resident memory at most ${(peak / 1e6).toFixed(0)} MB`);
}
process.exit(0);
