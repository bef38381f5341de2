// Searches a second at saturation: the library against a bare driver that sends the same statement with the same
// binary parameters over as many connections, in turns.
//
//   npm run bench -- search-throughput [--faces 23640] [--connections 8] [--seconds 3] [--turns 4] [--json]
import { parseArgs } from 'node:util';
import pg from 'pg';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import { readSearchable } from '#kith/gallery/domain-cache.js';
import { DEFAULT_EF_SEARCH } from '#kith/gallery/search-choice.js';
import { hnswStatement } from '#kith/gallery/search-statement.js';
import { encodeVector } from '#kith/gallery/vector-binary.js';
import { serverGallery } from './support/bench-database.js';
import { loadDomain } from './support/gallery-load.js';
import { round } from './support/measure.js';

const { values } = parseArgs({
  options: {
    faces: { type: 'string', default: '23640' },
    connections: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '3' },
    turns: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
});
const connections = Number(values.connections);
const SPACE = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);

await using bench = await serverGallery();
const { gallery, url } = bench;
const faces = Number(values.faces);
const { generator } = await loadDomain(gallery, 'slovenia', SPACE, { faces, persons: Math.ceil(faces / 9), seed: 1 });
const { domain, facts } = await readSearchable(gallery.database, 'slovenia');
const probes = Array.from({ length: 500 }, () => generator.probe('clustered'));
const clients = await Promise.all(
  Array.from({ length: connections }, async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return client;
  }),
);

type Ask = (lane: number, n: number) => Promise<unknown>;

/** Searches a second when every lane sends the next as soon as it has its answer. */
async function rate(ask: Ask): Promise<number> {
  const until = performance.now() + Number(values.seconds) * 1000;
  const start = performance.now();
  let done = 0;
  await Promise.all(
    clients.map(async (_, lane) => {
      for (let n = lane; performance.now() < until; n += connections) {
        await ask(lane, n % probes.length);
        done++;
      }
    }),
  );
  return (1000 * done) / (performance.now() - start);
}

const driver: Ask = (lane, n) => {
  const request = { stored: domain.stored, domain: 'slovenia', probe: probes[n]!, limit: 32 };
  const { name, text, values: given } = hnswStatement(request, DEFAULT_EF_SEARCH, facts.index!);
  return clients[lane]!.query({ name: name!, text, values: [encodeVector(given![0] as Float32Array), given![1]] });
};
// One person wanted: with more, a person of many faces takes further statements, which the driver here does not send.
const library: Ask = (_, n) => gallery.findMatches(probes[n]!, 'slovenia', { topK: 1 });

const rates = { driver: [] as number[], library: [] as number[] };
for (let turn = -1; turn < Number(values.turns); turn++)
  for (const [name, ask] of [
    ['driver', driver],
    ['library', library],
  ] as const) {
    const measured = await rate(ask);
    if (turn >= 0) rates[name].push(measured);
  }
for (const client of clients) await client.end();
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
const answer = {
  faces,
  connections,
  driverPerSecond: round(mean(rates.driver), 0),
  libraryPerSecond: round(mean(rates.library), 0),
  share: round(mean(rates.library) / mean(rates.driver), 3),
};
if (values.json) console.log(JSON.stringify(answer));
else console.table([answer]);
