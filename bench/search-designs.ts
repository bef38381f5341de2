// Which way to search inside a domain: exactly, by the whole table's index, or by an index of its own.
//
//   npm run bench -- search-designs [--json]
//
// One table with domains of 300 to 23,640 faces; per domain the p50 of each design and its recall against exact.
import { parseArgs } from 'node:util';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import type { Queryable } from '#kith/gallery/database.js';
import { buildDomainIndex } from '#kith/gallery/domain-index.js';
import { readSearchFacts } from '#kith/gallery/search-choice.js';
import { exactStatement, type FoundFace, hnswStatement } from '#kith/gallery/search-statement.js';
import { serverGallery } from './support/bench-database.js';
import { loadDomain } from './support/gallery-load.js';
import { inTurns, percentile, round } from './support/measure.js';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
const SPACE = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);
const SIZES = [300, 1_000, 2_000, 4_000, 8_000, 23_640];
const LIMIT = 32;
const ROUNDS = 60;

await using bench = await serverGallery();
const { gallery } = bench;
const loaded = new Map<number, Awaited<ReturnType<typeof loadDomain>>>();
for (const faces of SIZES)
  loaded.set(
    faces,
    await loadDomain(gallery, `d${faces}`, SPACE, { faces, persons: Math.ceil(faces / 9), seed: faces }),
  );

const rows: object[] = [];
for (const faces of SIZES) {
  const domain = await gallery.domain(`d${faces}`);
  const { generator } = loaded.get(faces)!;
  const probes = Array.from({ length: ROUNDS }, (_, n) => generator.probe(n % 10 === 0 ? 'outlier' : 'clustered'));
  const { index } = await readSearchFacts(gallery.database, domain);
  await buildDomainIndex(gallery.database, domain);
  const request = (n: number) => ({
    stored: domain.stored,
    domain: domain.domain,
    probe: probes[n % ROUNDS]!,
    limit: LIMIT,
  });
  const ask = async (database: Queryable, statement: Parameters<Queryable['query']>[0]) =>
    (await database.query<FoundFace>(statement)).rows;
  // The planner prefers an index of the domain where there is one, so the whole table's is timed without it.
  const found: Record<string, FoundFace[][]> = { exact: [], own: [], whole: [] };
  const keep = (name: string, n: number, faces_: FoundFace[]) => {
    found[name]![n % ROUNDS] = faces_;
  };
  const wide = Math.min(1000, Math.ceil(100 / (index?.share ?? 1)));
  const first = await inTurns(ROUNDS, {
    exact: async (n) => keep('exact', n, await ask(gallery.database, exactStatement(request(n)))),
    own: async (n) =>
      keep(
        'own',
        n,
        await ask(gallery.database, hnswStatement(request(n), 100, { indexed: 'halfvec', iterates: false })),
      ),
    whole: async (n) =>
      keep(
        'whole',
        n,
        await ask(gallery.database, hnswStatement(request(n), wide, { indexed: 'vector', iterates: true })),
      ),
  });
  const recall = (name: string): number => {
    const hits = found.exact!.map((exact, n) => {
      const best = [...exact].sort((a, b) => a.distance - b.distance).slice(0, 10);
      const paths = new Set(found[name]![n]!.map((face) => face.image_path));
      return best.filter((face) => paths.has(face.image_path)).length / best.length;
    });
    return round(hits.reduce((sum, hit) => sum + hit, 0) / hits.length);
  };
  rows.push({
    faces,
    share: round(index?.share ?? 0, 2),
    exactP50: round(percentile(first.exact, 0.5)),
    ownP50: round(percentile(first.own, 0.5)),
    ownRecall10: recall('own'),
    wholeEf: wide,
    wholeP50: round(percentile(first.whole, 0.5)),
    wholeRecall10: recall('whole'),
  });
}
if (values.json) console.log(JSON.stringify(rows));
else console.table(rows);
