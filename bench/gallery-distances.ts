// The cosine distances of the generated galleries that the search benches use.
//
//   npm run bench -- gallery-distances [--persons 2627] [--json]
import { parseArgs } from 'node:util';
import { GalleryGenerator } from './support/gallery-generator.js';
import { percentile, round } from './support/measure.js';

const { values } = parseArgs({
  options: { persons: { type: 'string', default: '2627' }, json: { type: 'boolean', default: false } },
});
const persons = Number(values.persons);
const generator = new GalleryGenerator({ faces: 9 * persons, persons });
const PAIRS = 2_000;

function distance(a: Float32Array, b: Float32Array): number {
  let [dot, first, second] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    first += a[i]! ** 2;
    second += b[i]! ** 2;
  }
  return 1 - dot / Math.sqrt(first * second);
}

const pairs = (pair: (n: number) => number): number[] => Array.from({ length: PAIRS }, (_, n) => pair(n % persons));
/** Of a face's distances to everybody else: the least. */
const lookalikes = Array.from({ length: 100 }, (_, n) => {
  const face = generator.face(n, false);
  const others = Array.from({ length: persons }, (__, other) => distance(face, generator.face(other, false)));
  return Math.min(...others.filter((_d, other) => other !== n));
});
const rows = Object.entries({
  'two faces of one person': pairs((n) => distance(generator.face(n, false), generator.face(n, false))),
  'an outlier face and another of its person': pairs((n) =>
    distance(generator.face(n, true), generator.face(n, false)),
  ),
  'faces of two persons': pairs((n) => distance(generator.face(n, false), generator.face((n + 1) % persons, false))),
  'a face and its nearest of another person': lookalikes,
}).map(([what, list]) => {
  const mean = list.reduce((sum, each) => sum + each, 0) / list.length;
  const deviation = Math.sqrt(list.reduce((sum, each) => sum + (each - mean) ** 2, 0) / list.length);
  return {
    what,
    mean: round(mean),
    deviation: round(deviation),
    p1: round(percentile(list, 0.01)),
    p99: round(percentile(list, 0.99)),
  };
});
if (values.json) console.log(JSON.stringify({ bench: 'gallery-distances', persons, rows }));
else console.table(rows);
