// A search of Kith's beside the statements that it is measured against, in one run, in turns.
//
//   npm run bench -- search-speed [--faces 23640] [--rounds 400] [--tune] [--json]
//
// `findMatches` is the library's call; `driver` sends its very statement by pg alone; `usual` is what people write: the
// vector as text, a join on persons.domain, planned each time, over the table's index; `scan` is the index scan alone,
// which no statement can be faster than; `floor` only carries the vector.
import { parseArgs } from 'node:util';
import pg from 'pg';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import { readSearchable } from '#kith/gallery/domain-cache.js';
import { knowProbes, measureRecall } from '#kith/gallery/recall-measure.js';
import { recallProbes } from '#kith/gallery/recall-probe.js';
import { hnswStatement } from '#kith/gallery/search-statement.js';
import { encodeVector } from '#kith/gallery/vector-binary.js';
import { serverGallery } from './support/bench-database.js';
import { loadDomain } from './support/gallery-load.js';
import { inTurns, percentile, round } from './support/measure.js';

const { values } = parseArgs({
  options: {
    faces: { type: 'string', default: '23640' },
    rounds: { type: 'string', default: '400' },
    tune: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const faces = Number(values.faces);
const rounds = Number(values.rounds);
const SPACE = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);
const USUAL = `select p.name, f.image_path, f.embedding <=> $1::vector as distance
  from face_embeddings f join persons p on f.person_id = p.id
  where p.domain = $2 order by f.embedding <=> $1::vector limit $3`;

await using bench = await serverGallery();
const { gallery, url } = bench;
const { generator } = await loadDomain(gallery, 'slovenia', SPACE, { faces, persons: Math.ceil(faces / 9), seed: 1 });
const { domain, facts } = await readSearchable(gallery.database, 'slovenia');
const probes = Array.from({ length: rounds }, (_, n) => generator.probe(n % 10 === 0 ? 'outlier' : 'clustered'));
async function connect(): Promise<pg.Client> {
  const made = new pg.Client({ connectionString: url });
  await made.connect();
  return made;
}
// One each, as the library has its own.
const client = await connect();
const usual = await connect();
const scan = await connect();
const floor = await connect();

async function atEf(efSearch: number): Promise<object> {
  for (const each of [usual, scan]) await each.query(`set hnsw.ef_search = ${efSearch}`);
  await scan.query('set enable_seqscan = off');
  // Each way has another probe in a turn: the second to ask for one would find its pages in the processor's cache.
  const probe = (n: number, way: number): Float32Array => probes[(n + way * Math.floor(rounds / 5)) % rounds]!;
  const samples = await inTurns(rounds, {
    findMatches: (n) => gallery.findMatches(probe(n, 0), 'slovenia', { efSearch, topK: 5 }),
    driver: (n) => {
      const request = { stored: domain.stored, domain: 'slovenia', probe: probe(n, 1), limit: 32 };
      const { name, text, values: given } = hnswStatement(request, efSearch, facts.index!);
      return client.query({ name: name!, text, values: [encodeVector(given![0] as Float32Array), given![1]] });
    },
    usual: (n) => usual.query(USUAL, [`[${probe(n, 2).join(',')}]`, 'slovenia', 10]),
    scan: (n) =>
      scan.query({
        name: 'scan',
        text: 'select id from face_embeddings order by embedding <=> $1::vector limit 32',
        values: [encodeVector(probe(n, 4))],
      }),
    floor: (n) =>
      floor.query({ name: 'floor', text: 'select vector_dims($1::vector)', values: [encodeVector(probe(n, 3))] }),
  });
  const known = await knowProbes(
    gallery.database,
    domain,
    await recallProbes(gallery.database, domain, 200, 77),
    () => undefined,
  );
  const recall = await measureRecall(gallery.database, domain, facts.index!, efSearch, known);
  const p50 = (name: keyof typeof samples): number => round(percentile(samples[name], 0.5));
  return {
    efSearch,
    findMatchesP50: p50('findMatches'),
    findMatchesP99: round(percentile(samples.findMatches, 0.99)),
    driverP50: p50('driver'),
    usualP50: p50('usual'),
    scanP50: p50('scan'),
    floorP50: p50('floor'),
    overDriver: round(p50('findMatches') / p50('driver'), 2),
    fasterThanUsual: round(p50('usual') / p50('findMatches'), 2),
    recallAt1: round(recall.all.recallAt1),
    recallAt10: round(recall.all.recallAt10),
  };
}

const rows = [await atEf(40), await atEf(100)];
const tuned = values.tune ? await gallery.tune('slovenia', { author: { who: 'bench' }, probes: 400 }) : null;
if (tuned?.efSearch != null) rows.push(await atEf(tuned.efSearch));
await client.end();
await usual.end();
await scan.end();
await floor.end();
const answer = { faces, rows, tuned };
if (values.json) console.log(JSON.stringify(answer));
else {
  console.table(rows);
  if (tuned !== null) console.log(JSON.stringify(tuned, null, 2));
}
