import type { Queryable, QueryOptions } from './database.js';
import type { Domain } from './domain.js';
import { literal } from './sql-values.js';
import { splitPath } from './stored-face.js';
import { decodeVector } from './vector-binary.js';

/**
 * What a probe is like: `held-out`, an enrolled face looked for without its own image; `noise`, an enrolled face turned
 * away by noise; `outlier`, the face of a person that is least like the person's others, without its own image;
 * `stranger`, nobody's.
 */
export type RecallProbeKind = 'held-out' | 'noise' | 'outlier' | 'stranger';

export interface RecallProbe {
  readonly kind: RecallProbeKind;
  readonly values: Float32Array;
  /** The image whose faces do not count, as it is the probe's own. */
  readonly excludeImage: string | null;
}

interface SampledFace {
  readonly person: string;
  readonly imagePath: string;
  readonly values: Float32Array;
}

/** Numbers from a seed: the same domain and seed give the same probes. */
function randomness(seed: number): { uniform(): number; normal(): number } {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { uniform, normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()) };
}

type Randomness = ReturnType<typeof randomness>;

async function readFaces(database: Queryable, query: string, options?: QueryOptions): Promise<SampledFace[]> {
  const faces: SampledFace[] = [];
  for await (const rows of database.copyOut(query, options))
    for (const [person, path, vector] of rows)
      faces.push({
        person: person!.toString(),
        imagePath: splitPath(path!.toString()).imagePath,
        values: decodeVector(vector!),
      });
  return faces;
}

// By a hash of the key: the same rows each time, spread over the table, without sorting vectors.
const sampleText = ({ stored, domain }: Domain, seed: number, count: number): string => `
  select f.person_id::text, f.image_path, f.embedding from ${stored.table} f
  join (select id from ${stored.table} where domain = ${literal(domain)}
        order by hashtextextended(id::text, ${seed}) limit ${count}) s on s.id = f.id
  order by f.id`;

// All faces of some persons who have at least three: an outlier needs others to lie apart from.
const personsText = ({ stored, domain }: Domain, seed: number, count: number): string => `
  select f.person_id::text, f.image_path, f.embedding from ${stored.table} f
  join (select person_id from ${stored.table} where domain = ${literal(domain)} group by person_id
        having count(*) between 3 and 1000 order by hashtextextended(person_id::text, ${seed}) limit ${count}) s
    on s.person_id = f.person_id
  where f.domain = ${literal(domain)} order by f.id`;

function norm(values: Float32Array): number {
  let squares = 0;
  for (const value of values) squares += value * value;
  return Math.sqrt(squares);
}

function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum / (norm(a) * norm(b));
}

/** Turned away by noise: cosine distances of 0.1 to 0.4 from where it was. */
function noisy({ values }: SampledFace, random: Randomness): Float32Array {
  const noise = Float32Array.from(values, () => random.normal());
  const factor = ((0.45 + 0.85 * random.uniform()) * norm(values)) / norm(noise);
  return values.map((value, index) => value + factor * noise[index]!);
}

/** Of every coordinate somebody else's: like a face in every single number, and nobody's in all of them. */
const stranger = (faces: readonly SampledFace[], random: Randomness): Float32Array =>
  faces[0]!.values.map((_, index) => faces[Math.floor(random.uniform() * faces.length)]!.values[index]!);

function mean(faces: readonly SampledFace[]): Float32Array {
  const sum = new Float32Array(faces[0]!.values.length);
  for (const { values } of faces) {
    const length = norm(values);
    for (let index = 0; index < sum.length; index++) sum[index]! += values[index]! / length;
  }
  return sum;
}

/** Per person the face that is least like the person's faces together. */
function outliers(faces: readonly SampledFace[]): SampledFace[] {
  const persons = new Map<string, SampledFace[]>();
  for (const face of faces) persons.set(face.person, [...(persons.get(face.person) ?? []), face]);
  return [...persons.values()].map((own) => {
    const centre = mean(own);
    return own.reduce((least, face) => (cosine(face.values, centre) < cosine(least.values, centre) ? face : least));
  });
}

const ownImage = (kind: RecallProbeKind, { values, imagePath }: SampledFace): RecallProbe => ({
  kind,
  values,
  excludeImage: imagePath,
});

/** About `count` probes for a domain, a quarter of each kind; another seed gives others. */
export async function recallProbes(
  database: Queryable,
  domain: Domain,
  count: number,
  seed: number,
  options?: QueryOptions,
): Promise<readonly RecallProbe[]> {
  const random = randomness(seed);
  const each = Math.max(1, Math.ceil(count / 4));
  const faces = await readFaces(database, sampleText(domain, seed, 2 * each), options);
  if (faces.length === 0) return [];
  const persons = await readFaces(database, personsText(domain, seed, each), options);
  return [
    ...faces.slice(0, each).map((face) => ownImage('held-out', face)),
    ...faces.slice(-each).map((face) => ({ kind: 'noise' as const, values: noisy(face, random), excludeImage: null })),
    ...outliers(persons).map((face) => ownImage('outlier', face)),
    ...Array.from({ length: each }, () => ({
      kind: 'stranger' as const,
      values: stranger(faces, random),
      excludeImage: null,
    })),
  ].filter(({ values }) => norm(values) > 0);
}
