import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { WritableRow } from '#kith/datastore/write.js';
import { writeDatastore } from '#kith/datastore/write.js';
import { nearby, randomVector, seeded } from './embeddings.js';

export const ARCFACE_FILE = 'ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl';

type MutableRow = { -readonly [Key in keyof WritableRow]: WritableRow[Key] };

/** A storage folder of the tests' own, removed at the end. */
export function temporaryStorage(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kith-storage-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Rows as DeepFace makes them: `persons` persons, each person's faces near each other. */
export function makeRows(
  domain: string,
  { rows, persons, dimensions = 512, seed = 1 }: { rows: number; persons: number; dimensions?: number; seed?: number },
): MutableRow[] {
  const { normal } = seeded(seed);
  const centres = Array.from({ length: persons }, () => randomVector(dimensions, normal));
  return Array.from({ length: rows }, (_, index) => ({
    identity: `storage/recognized_faces_prod/${domain}/Oseba Št. ${index % persons}/${index}.jpg`,
    hash: index.toString(16).padStart(40, '0'),
    embedding: nearby(centres[index % persons]!, 0.2, normal),
    box: { x: 1 + (index % 50), y: 2, width: 90, height: 110 },
  }));
}

/** Writes a domain's datastore and answers its path. */
export async function writeDomain(
  storage: string,
  domain: string,
  rows: readonly WritableRow[],
  name = ARCFACE_FILE,
): Promise<string> {
  const folder = join(storage, domain);
  mkdirSync(folder, { recursive: true });
  await writeDatastore(join(folder, name), [rows]);
  return join(folder, name);
}
