// Every bench whose figure was promised, one after the other, and a table of what was asked and what came out.
//
//   KITH_TEST_DATABASE_URL=… npm run bench [-- --python P] [--peers DIR] [--growth FILE] [--json FILE] [--write]
//
// --growth takes the result of a search-growth run up to a million faces (most of an hour); without it the growth is
// measured up to 100,000 faces. --write puts table and curve into docs/performance.md and docs/performance-growth.svg.
// What needs a Python with DeepFace is left out, and said to be, where none is given. About 20 minutes.
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { growthChart } from './support/growth-chart.js';
import {
  deepface,
  embedded,
  engine,
  http,
  measureGrowth,
  migration,
  results,
  rows,
  run,
  searchSpeed,
  throughput,
} from './support/target-rows.js';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    peers: { type: 'string' },
    growth: { type: 'string' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});

const python = values.python === undefined ? [] : ['--python', values.python];

interface Peers {
  readonly rows: readonly {
    readonly name: string;
    readonly p50: number;
    readonly p99: number;
    readonly recallAt1: number;
  }[];
}

searchSpeed();
throughput();
const growth = measureGrowth(values.growth);
embedded();
http();
engine();
migration();
if (values.python !== undefined) deepface(...python);
const peers = run<Peers>('search-peers', ...python, ...(values.peers === undefined ? [] : ['--peers', values.peers]));

async function machine(): Promise<string> {
  const client = new pg.Client({ connectionString: process.env.KITH_TEST_DATABASE_URL! });
  await client.connect();
  const { rows: found } = await client.query<{ server: string; pgvector: string; buffers: string }>(
    `select current_setting('server_version') as server, current_setting('shared_buffers') as buffers,
      (select default_version from pg_available_extensions where name = 'vector') as pgvector`,
  );
  await client.end();
  const { server, pgvector, buffers } = found[0]!;
  return `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, Node ${process.version}, PostgreSQL ${server.split(' ')[0]} (shared_buffers ${buffers}), pgvector ${pgvector}`;
}

const about = `${await machine()}; ${new Date().toISOString().slice(0, 10)}`;
const sign = (met: boolean | null): string => (met === null ? '' : met ? 'yes' : '**no**');
const table = [
  '| | asked | measured | met | bench |',
  '|---|---|---|---|---|',
  ...rows.map(
    ({ what, asked, measured, met, bench }) => `| ${what} | ${asked} | ${measured} | ${sign(met)} | ${bench} |`,
  ),
];
const side = [
  '| one search of 23,640 × 512 | p50, ms | p99, ms | finds the true nearest |',
  '|---|---:|---:|---:|',
  ...peers.rows.map((row) => `| ${row.name} | ${row.p50} | ${row.p99} | ${(100 * row.recallAt1).toFixed(1)} % |`),
];
const text = [about, '', ...table, '', ...side, ''].join('\n');
console.log(text);
if (values.python === undefined) console.log('beside DeepFace: left out, no --python');
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ about, rows, results }, null, 1)}\n`);
if (values.write) {
  const file = 'docs/performance.md';
  const page = readFileSync(file, 'utf8');
  const [start, end] = ['<!-- npm run bench -->', '<!-- end -->'];
  const [before, after] = [page.slice(0, page.indexOf(start) + start.length), page.slice(page.indexOf(end))];
  writeFileSync(file, `${before}\n\n${text}\n${after}`);
  writeFileSync('docs/performance-growth.svg', growthChart(growth.rows));
}
process.exit(rows.some(({ met }) => met === false) ? 1 : 0);
