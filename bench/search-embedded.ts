// The embedded database: loading, exact search, index build, indexed search, restart, and what all that does to the
// event loop of the process.
//
//   npm run bench -- search-embedded [--faces 23640] [--json]
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { embeddedGallery } from './support/bench-database.js';
import { loadDomain } from './support/gallery-load.js';
import { percentile, round } from './support/measure.js';

const { values } = parseArgs({
  options: { faces: { type: 'string', default: '23640' }, json: { type: 'boolean', default: false } },
});
const faces = Number(values.faces);
const SPACE = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);
const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return round((performance.now() - start) / 1000, 2);
};

await using bench = await embeddedGallery();
const { gallery, folder } = bench;
await gallery.ensureDomain('slovenia', SPACE);
const { rows } = await gallery.database.query<{ name: string; definition: string }>({
  text: `select c.relname::text as name, pg_get_indexdef(c.oid) as definition
    from pg_class c join pg_index i on i.indexrelid = c.oid join pg_am a on a.oid = c.relam
    where i.indrelid = 'face_embeddings'::regclass and a.amname = 'hnsw'`,
});
const index = rows[0]!;
await gallery.database.query({ text: `drop index ${index.name}` });
let generator: Awaited<ReturnType<typeof loadDomain>>['generator'] | undefined;
const load = await seconds(async () => {
  ({ generator } = await loadDomain(gallery, 'slovenia', SPACE, { faces, persons: Math.ceil(faces / 9), seed: 1 }));
});

async function searches(count: number): Promise<number> {
  const samples: number[] = [];
  for (let n = -5; n < count; n++) {
    const probe = generator!.probe('clustered');
    const start = performance.now();
    await gallery.findMatches(probe, 'slovenia');
    if (n >= 0) samples.push(performance.now() - start);
  }
  return round(percentile(samples, 0.5), 2);
}

const searchable = await seconds(() => gallery.findMatches(generator!.probe('clustered'), 'slovenia'));
const delay = monitorEventLoopDelay({ resolution: 5 });
const exactP50 = await searches(20);
delay.enable();
const build = await seconds(() =>
  gallery.database.query({ text: `set maintenance_work_mem = '256MB'; ${index.definition}` }),
);
delay.disable();
await new Promise((resolve) => setTimeout(resolve, 2_500));
const indexedP50 = await searches(100);
const { plan } = await gallery.search(generator!.probe('clustered'), 'slovenia');
await gallery.close();
const restart = await seconds(async () => {
  await using again = await openGallery({ location: { kind: 'embedded', folder } });
  await again.findMatches(generator!.probe('clustered'), 'slovenia');
});
const answer = {
  faces,
  loadSeconds: load,
  searchableSeconds: searchable,
  exactP50,
  buildSeconds: build,
  indexedP50,
  plan: plan.kind,
  restartSeconds: restart,
  eventLoopDelayP99: round(delay.percentile(99) / 1e6, 1),
  residentMb: round(process.memoryUsage().rss / 1e6, 0),
};
if (values.json) console.log(JSON.stringify(answer));
else console.table([answer]);
