import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type WritableRow, writeDatastore } from '#kith/datastore/write.js';

const NAME = 'ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl';

export interface MadeDatastore extends AsyncDisposable {
  readonly path: string;
  readonly bytes: number;
}

/** Normally distributed numbers that are the same on every machine. */
export function* gaussians(start = 1): Generator<number, never> {
  let state = start;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / (2 ** 32 + 1);
  };
  for (;;) {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    yield radius * Math.cos(angle);
    yield radius * Math.sin(angle);
  }
}

/** Rows as DeepFace writes them: `persons` centres and faces around them, 512 numbers each. */
function* batchesOf(rows: number, persons: number): Generator<WritableRow[]> {
  const numbers = gaussians();
  const vector = (): Float32Array => Float32Array.from({ length: 512 }, () => numbers.next().value);
  const noise = Array.from({ length: 97 }, vector);
  const centres = Array.from({ length: Math.min(persons, 400) }, vector);
  for (let from = 0; from < rows; from += 500)
    yield Array.from({ length: Math.min(500, rows - from) }, (_, i) => {
      const row = from + i;
      const person = row % persons;
      const around = noise[row % noise.length]!;
      // Persons beyond the centres share one, turned by their number, which is cheap to make and different enough.
      const centre = centres[person % centres.length]!;
      const shift = Math.floor(person / centres.length) * 7;
      const embedding = centre.map((_, k) => centre[(k + shift) % 512]! + 0.6 * around[k]!);
      const box = { x: row % 300, y: 2, width: 90, height: 110 };
      const identity = `storage/demo/Oseba Št. ${person}/${row}.jpg`;
      return { identity, hash: row.toString(16).padStart(40, '0'), embedding, box };
    });
}

/** A datastore in a folder of its own, removed when disposed of. */
export async function makeDatastore(rows: number, persons: number): Promise<MadeDatastore> {
  const folder = await mkdtemp(join(tmpdir(), 'kith-bench-'));
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const path = join(folder, NAME);
    const { bytes } = await writeDatastore(path, batchesOf(rows, persons));
    return { path, bytes, [Symbol.asyncDispose]: dispose };
  } catch (fault) {
    await dispose();
    throw fault;
  }
}
