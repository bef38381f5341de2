import type { DatastoreRow } from '#kith/datastore/row.js';
import { vectorDistance } from '#kith/embedding/distance.js';
import type { Metric } from '#kith/embedding/space.js';

let seed = 3;
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32 - 0.5;
};
export const randomVector = (dimensions: number, scale = 1): Float32Array =>
  Float32Array.from({ length: dimensions }, () => random() * scale);

/** A gallery of `persons` with about `faces` faces: lengths differ, some images have two faces. */
export function gallery(dimensions: number, faces: number, persons: number): DatastoreRow[] {
  const centres = Array.from({ length: persons }, () => randomVector(dimensions));
  const owners: number[] = [];
  return Array.from({ length: faces }, (_, row) => {
    const person = row < persons ? row : Math.floor((random() + 0.5) * persons);
    const scale = 0.5 + (row % 7);
    const embedding = centres[person]!.map((value) => (value + 0.5 * random()) * scale);
    const image = row % 10 === 9 ? row - 1 : row;
    const owner = row % 10 === 9 ? owners[row - 1]! : person;
    owners[row] = owner;
    return { row, identity: `g/P${owner}/${image}.jpg`, hash: null, embedding, malformed: false, box: null };
  });
}

export const normOf = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** The answer by the plainest means: every distance, each person's smallest, sorted. */
export function plainSearch(
  rows: readonly DatastoreRow[],
  probe: Float32Array,
  metric: Metric,
  topK: number,
  exclude?: string,
) {
  const best = new Map<string, { person: string; distance: number; row: number }>();
  for (const { row, identity, embedding } of rows) {
    if (embedding === null || identity === null || identity === exclude) continue;
    const distance = vectorDistance(metric, probe, normOf(probe), embedding, normOf(embedding));
    const person = identity.split('/')[1]!;
    if (distance < (best.get(person)?.distance ?? Infinity)) best.set(person, { person, distance, row });
  }
  return [...best.values()].sort((a, b) => a.distance - b.distance || a.row - b.row).slice(0, topK);
}
