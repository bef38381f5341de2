// Reads what oracle/references.py wrote: see oracle/README.md for what is in it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fnv1a, mix } from './seeded-weights.js';

export interface Summary {
  readonly shape: readonly number[];
  readonly mean: number;
  readonly deviation: number;
  readonly samples: readonly number[];
  /** Of whole numbers only. */
  readonly sha256?: string;
}

export interface ReferenceFace {
  readonly crop: Summary | null;
  readonly angle?: number;
  readonly projected?: readonly [number, number, number, number];
  readonly letterboxed?: Summary;
}

export interface ReferenceResult {
  readonly area: Readonly<Record<string, number | readonly [number, number] | null>>;
  readonly confidence: number;
  /** base64 of float32 */
  readonly embedding: string;
}

export interface Reference {
  readonly key: string;
  /** `npm:…`, a file beside the reference, or a full path. */
  readonly photo: string;
  readonly sha256: string;
  readonly scoreShifts: readonly number[];
  readonly decoded: Summary;
  readonly bordered: Summary;
  readonly tensor: Summary & { readonly scale: number };
  readonly outputs: Readonly<Record<string, Summary>>;
  readonly detections: readonly {
    readonly score: number;
    readonly area: readonly number[];
    readonly landmarks: Readonly<Record<string, readonly [number, number]>>;
  }[];
  readonly faces: readonly ReferenceFace[];
  readonly results: readonly ReferenceResult[];
  /** Of the first faces. */
  readonly legacyFind: readonly string[];
  readonly variants: readonly {
    readonly options: Readonly<Record<string, string | number>>;
    readonly first: ReferenceResult;
  }[];
  readonly unaligned: {
    readonly scoreShifts: readonly number[];
    /** How many were found; `results` holds the first of them. */
    readonly faces: number;
    readonly results: readonly ReferenceResult[];
  };
}

export interface References {
  readonly folder: string;
  readonly seed: number;
  readonly gain: Readonly<Record<string, number>>;
  readonly headScale: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly photos: readonly Reference[];
}

export function readReferences(folder: string): References {
  const read = (file: string): unknown => JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
  const meta = read('meta.json') as Omit<References, 'folder' | 'photos'> & { readonly files: readonly string[] };
  const photos = meta.files.map((file) => ({ ...(read(file) as Omit<Reference, 'key'>), key: path.parse(file).name }));
  return { ...meta, folder, photos };
}

/** The photo's bytes, which must be those that the oracle saw. */
export function photoBytes(references: References, { photo, sha256 }: Reference): Buffer {
  const file = photo.startsWith('npm:') ? packageFile(photo.slice(4)) : path.resolve(references.folder, photo);
  const bytes = readFileSync(file);
  const given = createHash('sha256').update(bytes).digest('hex');
  if (given !== sha256) throw new Error(`${photo} is not the photo that the oracle saw`);
  return bytes;
}

function packageFile(file: string): string {
  const [scope, name, ...rest] = file.split('/');
  const manifest = createRequire(import.meta.url).resolve(`${scope}/${name}/package.json`);
  return path.join(path.dirname(manifest), ...rest);
}

/** The flat positions that the oracle's samples of an array were taken from. */
export function positions(name: string, size: number, count: number): number[] {
  const start = fnv1a(name);
  return Array.from({ length: count }, (_, i) =>
    Number((BigInt(mix((Math.imul(i, 0x9e3779b9) + start) | 0)) * BigInt(size)) >> 32n),
  );
}

/** Largest difference of an array from the oracle's samples of it. `at` reads the array in the oracle's order. */
export function largestDifference(name: string, summary: Summary, at: (position: number) => number): number {
  const size = summary.shape.reduce((a, b) => a * b, 1);
  const places = positions(name, size, summary.samples.length);
  return Math.max(...summary.samples.map((expected, i) => Math.abs(at(places[i]!) - expected)));
}

export function vectorOf(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

export function cosineDistance(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((value, i) => {
    ab += value * b[i]!;
    aa += value * value;
    bb += b[i]! * b[i]!;
  });
  return 1 - ab / Math.sqrt(aa * bb);
}
