// What an index's shape is worth: recall and time of a search, build time and size, for several m and ef_construction.
//
//   npm run bench -- search-shapes [--faces 100000] [--probes 200] [--json]
//
// A domain's own index (half precision) is built in each shape over the same gallery; a quarter of the probes are
// strangers, who have no near neighbours.
import { parseArgs } from 'node:util';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import { readSearchable } from '#kith/gallery/domain-cache.js';
import { knowProbes, measureRecall } from '#kith/gallery/recall-measure.js';
import { recallProbes } from '#kith/gallery/recall-probe.js';
import { ownIndexName } from '#kith/gallery/search-choice.js';
import { serverGallery } from './support/bench-database.js';
import { loadDomain } from './support/gallery-load.js';
import { round } from './support/measure.js';

const { values } = parseArgs({
  options: {
    faces: { type: 'string', default: '100000' },
    probes: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
const faces = Number(values.faces);
const SPACE = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);
const SHAPES = [
  { m: 16, efConstruction: 64 },
  { m: 16, efConstruction: 128 },
  { m: 24, efConstruction: 96 },
  { m: 32, efConstruction: 128 },
] as const;

await using bench = await serverGallery();
const { gallery } = bench;
const { database } = gallery;
const { table } = (await gallery.ensureDomain('slovenia', SPACE)).stored;
await loadDomain(gallery, 'slovenia', SPACE, { faces, persons: Math.ceil(faces / 9), seed: 1 });
const index = ownIndexName(table, 'slovenia');
const drawn = await recallProbes(database, await gallery.domain('slovenia'), Number(values.probes), 77);
const known = await knowProbes(database, await gallery.domain('slovenia'), drawn, () => undefined);
const rows: object[] = [];
for (const shape of SHAPES) {
  const start = performance.now();
  await gallery.rebuildIndex('slovenia', shape);
  const buildSeconds = round((performance.now() - start) / 1000, 0);
  const size = await database.query<{ mb: number }>({
    text: 'select pg_relation_size($1::regclass)::float8 / 1048576 as mb',
    values: [index],
  });
  const { domain, facts } = await readSearchable(database, 'slovenia');
  for (const efSearch of [100, 200, 400, 800]) {
    // Once to warm up.
    await measureRecall(database, domain, facts.index!, efSearch, known);
    const began = performance.now();
    const { all } = await measureRecall(database, domain, facts.index!, efSearch, known);
    rows.push({
      ...shape,
      buildSeconds,
      mb: round(size.rows[0]!.mb, 0),
      efSearch,
      meanMs: round((performance.now() - began) / known.length, 1),
      recallAt1: round(all.recallAt1),
      recallAt10: round(all.recallAt10),
    });
  }
}
if (values.json) console.log(JSON.stringify({ bench: 'search-shapes', faces, rows }));
else console.table(rows);
