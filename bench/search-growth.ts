// How search grows with the gallery: for each size its index's build time and bytes, and then, all sizes in turns, the
// p50 of findMatches and the recall of what it found.
//
//   npm run bench -- search-growth [--sizes 10000,23640,100000] [--probes 200] [--rounds 200] [--json]
//
// Each size is a database of its own with one domain, indexed as Kith would have it: the table's float32 index, and
// above 200,000 faces one of half precision. Up to 100,000 faces both are built, for the ratio of their sizes. A million
// faces (--sizes …,1000000) take most of an hour, 8 GB of disk and a server with 4 GB of shared_buffers.
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import { readSearchable } from '#kith/gallery/domain-cache.js';
import { wantsOwnIndex } from '#kith/gallery/domain-index.js';
import { type KnownProbe, knowProbes, measureRecall } from '#kith/gallery/recall-measure.js';
import { recallProbes } from '#kith/gallery/recall-probe.js';
import { type BenchGallery, serverGallery } from './support/bench-database.js';
import type { GalleryGenerator } from './support/gallery-generator.js';
import { loadDomain } from './support/gallery-load.js';
import { inTurns, percentile, round } from './support/measure.js';

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,23640,100000' },
    probes: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
const sizes = values.sizes.split(',').map(Number);
const SPACE = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);
const EF_SEARCH = [40, 100, 400] as const;
const BOTH_UP_TO = 100_000;

interface Size {
  readonly faces: number;
  readonly bench: BenchGallery;
  readonly generator: GalleryGenerator;
  readonly known: readonly KnownProbe[];
  readonly about: Record<string, number | string>;
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return round((performance.now() - start) / 1000, 1);
};
const say = (line: string): void => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);

async function indexBytes({ gallery }: BenchGallery): Promise<{ float32: number; half: number }> {
  const { rows } = await gallery.database.query<{ float32: number; half: number }>({
    text: `select coalesce(sum(pg_relation_size(i.indexrelid)) filter (where o.opcname like 'vector%'), 0)::float8 as float32,
        coalesce(sum(pg_relation_size(i.indexrelid)) filter (where o.opcname like 'halfvec%'), 0)::float8 as half
      from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am a on a.oid = x.relam and a.amname = 'hnsw'
      join pg_opclass o on o.oid = i.indclass[0] where i.indrelid = 'face_embeddings'::regclass`,
  });
  return rows[0]!;
}

async function prepare(faces: number): Promise<Size> {
  const bench = await serverGallery();
  const { gallery } = bench;
  const { database } = gallery;
  await gallery.ensureDomain('slovenia', SPACE);
  // As a migration does it: the index is built over loaded rows, with the memory that it needs.
  const { rows } = await database.query<{ name: string; definition: string }>({
    text: `select c.relname::text as name, pg_get_indexdef(c.oid) as definition
      from pg_class c join pg_index i on i.indexrelid = c.oid join pg_am a on a.oid = c.relam
      where i.indrelid = 'face_embeddings'::regclass and a.amname = 'hnsw'`,
  });
  await database.query({ text: `drop index ${rows[0]!.name}` });
  let generator!: GalleryGenerator;
  const loadSeconds = await seconds(async () => {
    ({ generator } = await loadDomain(gallery, 'slovenia', SPACE, { faces, persons: Math.ceil(faces / 9), seed: 1 }));
  });
  say(`${faces}: loaded in ${loadSeconds} s`);
  const about: Record<string, number | string> = { faces, loadSeconds };
  const domain = await gallery.domain('slovenia');
  const table = { scope: 'whole-table', indexed: 'vector', share: 1, iterates: false } as const;
  const own = wantsOwnIndex({ faces, index: table });
  if (own || faces <= BOTH_UP_TO) {
    about.halfSeconds = await seconds(() => gallery.rebuildIndex('slovenia'));
    about.halfMb = round((await indexBytes(bench)).half / 2 ** 20, 0);
    say(`${faces}: half-precision index in ${about.halfSeconds} s`);
  }
  if (!own) {
    if (faces <= BOTH_UP_TO) await database.query({ text: `drop index ${await ownIndex(bench)}` });
    about.float32Seconds = await seconds(() =>
      database.transaction(async (inside) => {
        await inside.query({
          text: `set local maintenance_work_mem = '2GB'; set local max_parallel_maintenance_workers = 0`,
        });
        await inside.query({ text: rows[0]!.definition });
      }),
    );
    about.float32Mb = round((await indexBytes(bench)).float32 / 2 ** 20, 0);
    say(`${faces}: float32 index in ${about.float32Seconds} s`);
  }
  const probes = await recallProbes(database, domain, Number(values.probes), 77);
  const known = await knowProbes(database, domain, probes, (done, all) => {
    if (done % 50 === 0) say(`${faces}: exact answer of probe ${done} of ${all}`);
  });
  return { faces, bench, generator, known, about };
}

async function ownIndex({ gallery }: BenchGallery): Promise<string> {
  const { rows } = await gallery.database.query<{ name: string }>({
    text: `select x.relname::text as name from pg_index i join pg_class x on x.oid = i.indexrelid
      where i.indrelid = 'face_embeddings'::regclass and x.relname like '%\\_domain\\_%\\_idx'`,
  });
  return rows[0]!.name;
}

/** All sizes take turns at each ef_search. */
async function measure(): Promise<Record<string, unknown>[]> {
  const rounds = Number(values.rounds);
  const rows: Record<string, unknown>[] = [];
  for (const efSearch of EF_SEARCH) {
    const ways = Object.fromEntries(
      prepared.map(({ faces, bench, generator }) => {
        const probes = Array.from({ length: rounds }, (_, n) =>
          generator.probe(n % 10 === 0 ? 'outlier' : 'clustered'),
        );
        return [
          String(faces),
          (n: number) => bench.gallery.findMatches(probes[n % rounds]!, 'slovenia', { efSearch, topK: 5 }),
        ];
      }),
    );
    const samples = await inTurns(rounds, ways);
    for (const { faces, bench, generator, known } of prepared) {
      const { domain, facts } = await readSearchable(bench.gallery.database, 'slovenia');
      const { plan } = await bench.gallery.search(generator.probe('clustered'), 'slovenia', { efSearch, topK: 5 });
      const { all, byKind } = await measureRecall(bench.gallery.database, domain, facts.index!, efSearch, known);
      rows.push({
        efSearch,
        faces,
        plan: plan.kind === 'exact' ? 'exact' : `${facts.index!.indexed} of the ${plan.index}`,
        p50: round(percentile(samples[String(faces)]!, 0.5)),
        p99: round(percentile(samples[String(faces)]!, 0.99)),
        recallAt1: round(all.recallAt1),
        recallAt10: round(all.recallAt10),
        ...Object.fromEntries(Object.entries(byKind).map(([kind, { recallAt1 }]) => [kind, round(recallAt1)])),
      });
      say(`ef_search ${efSearch}, ${faces} faces: ${JSON.stringify(rows.at(-1))}`);
    }
  }
  return rows;
}

const prepared: Size[] = [];
try {
  for (const faces of sizes) prepared.push(await prepare(faces));
  // A gallery knows its indexes for ten seconds.
  await setTimeout(11_000);
  const answer = { bench: 'search-growth', sizes: prepared.map(({ about }) => about), rows: await measure() };
  if (values.json) console.log(JSON.stringify(answer));
  else {
    console.table(answer.sizes);
    console.table(answer.rows);
  }
} finally {
  for (const { bench } of prepared) await bench[Symbol.asyncDispose]();
}
