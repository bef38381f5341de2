// How fast and in how much memory a datastore is read, beside CPython's pickle.load on the same file in the same run.
// Each reading is a process of its own, start-up not counted; the two take turns.
//
//   npm run bench -- datastore-read [--rows 23661] [--large 215000] [--rounds 5] [--python python3] [--json]
//
// `--large 0` leaves out the datastore of a gigabyte.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { makeDatastore } from './support/made-datastore.js';
import { findPython, runPython } from './support/python.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '23661' },
    large: { type: 'string', default: '215000' },
    rounds: { type: 'string', default: '5' },
    python: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

interface Reading {
  readonly rows: number;
  readonly milliseconds: number;
  /** Largest resident memory of the process, in MB. */
  readonly peakMb: number;
}

const reader = new URL('../../dist/datastore/datastore.js', import.meta.url).href;
const KITH = `
  import { openDatastore } from ${JSON.stringify(reader)};
  const start = performance.now();
  let rows = 0;
  let sum = 0;
  const datastore = await openDatastore(process.argv[1]);
  for await (const batch of datastore.rows())
    for (const { embedding } of batch) { rows++; sum += embedding[0]; }
  const milliseconds = performance.now() - start;
  console.log(JSON.stringify({ rows, milliseconds, peakMb: process.resourceUsage().maxRSS / 1e3 }));`;
const PYTHON = `
import json, pickle, resource, sys, time
start = time.perf_counter()
with open(sys.argv[1], "rb") as file: rows = pickle.load(file)
milliseconds = (time.perf_counter() - start) * 1e3
print(json.dumps({"rows": len(rows), "milliseconds": milliseconds, "peakMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))`;

function readWithKith(path: string): Reading {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', KITH, path], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Reading;
}

const best = (readings: readonly Reading[]): Reading =>
  readings.reduce((one, other) => (other.milliseconds < one.milliseconds ? other : one));

async function compare(rows: number, rounds: number, python: string | null) {
  await using datastore = await makeDatastore(rows, 2625);
  const kith: Reading[] = [];
  const cpython: Reading[] = [];
  for (let round = 0; round < rounds; round++) {
    kith.push(readWithKith(datastore.path));
    if (python !== null) cpython.push(runPython(python, PYTHON, [datastore.path]) as Reading);
  }
  const [mine, theirs] = [best(kith), cpython.length === 0 ? null : best(cpython)];
  return {
    rows,
    megabytes: datastore.bytes / 1e6,
    kith: mine,
    cpython: theirs,
    timesAsFast: theirs === null ? null : theirs.milliseconds / mine.milliseconds,
  };
}

const python = findPython(['pickle'], values.python);
if (python === null && !values.json) console.log('no Python here: nothing to compare with');
const results = [await compare(Number(values.rows), Number(values.rounds), python)];
// CPython would need some 5 GB for the large one.
if (Number(values.large) > 0) results.push(await compare(Number(values.large), 1, null));

if (values.json) console.log(JSON.stringify({ node: process.version, results }));
else
  for (const { rows, megabytes, kith, cpython, timesAsFast } of results)
    console.table({
      [`Kith, ${rows} rows, ${megabytes.toFixed(0)} MB`]: {
        ms: Math.round(kith.milliseconds),
        'MB/s': Math.round(megabytes / (kith.milliseconds / 1e3)),
        'peak MB': Math.round(kith.peakMb),
      },
      ...(cpython !== null && {
        'CPython pickle.load': {
          ms: Math.round(cpython.milliseconds),
          'MB/s': Math.round(megabytes / (cpython.milliseconds / 1e3)),
          'peak MB': Math.round(cpython.peakMb),
          'Kith is faster': `${timesAsFast?.toFixed(1)}×`,
        },
      }),
    });
