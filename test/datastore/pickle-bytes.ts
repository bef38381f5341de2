import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatastore } from '#kith/datastore/datastore.js';
import type { DatastoreRow } from '#kith/datastore/row.js';

/** Bytes of a hand-made pickle: text as Latin-1, numbers as single bytes. */
export const bytes = (...parts: (string | number | Uint8Array)[]): Buffer =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === 'string'
        ? Buffer.from(part, 'latin1')
        : typeof part === 'number'
          ? Buffer.of(part)
          : Buffer.from(part),
    ),
  );

export const u32 = (value: number): Buffer => {
  const four = Buffer.alloc(4);
  four.writeUInt32LE(value);
  return four;
};

export const u64 = (value: bigint): Buffer => {
  const eight = Buffer.alloc(8);
  eight.writeBigUInt64LE(value);
  return eight;
};

/** A text as SHORT_BINUNICODE. */
export const text = (value: string): Buffer => {
  const utf8 = Buffer.from(value);
  return bytes(0x8c, utf8.length, utf8);
};

/** BINFLOATs. */
export const floats = (values: readonly number[]): Buffer => {
  const out = Buffer.alloc(values.length * 9);
  values.forEach((value, i) => {
    out.write('G', i * 9);
    out.writeDoubleBE(value, i * 9 + 1);
  });
  return out;
};

/** A list of floats as CPython writes a short one. */
export const vector = (values: readonly number[]): Buffer => bytes(']\x94(', floats(values), 'e');

/** A folder that goes when the test file ends. */
export class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'kith-datastore-'));
  #files = 0;

  write(content: Uint8Array, name = `datastore-${this.#files++}.pkl`): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export async function allRows(path: string, part = 0): Promise<DatastoreRow[]> {
  const rows: DatastoreRow[] = [];
  const datastore = await openDatastore(path);
  for await (const batch of datastore.rows({ part })) rows.push(...batch);
  return rows;
}

export interface Fixture {
  readonly name: string;
  readonly truth: readonly [
    identity: string,
    vector: number[] | null,
    box: [number, number, number, number] | null,
    hash: string | null,
  ][];
  /** By protocol, 0 to 5. */
  readonly pickles: readonly Buffer[];
}

/** Datastores that CPython and numpy wrote; see fixtures/make.py. */
export const FIXTURES: readonly Fixture[] = readFileSync(new URL('fixtures/layouts.ndjson', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const { name, truth, pickles } = JSON.parse(line) as Omit<Fixture, 'pickles'> & { pickles: string[] };
    return { name, truth, pickles: pickles.map((pickle) => Buffer.from(pickle, 'base64')) };
  });

export const fixture = (name: string): Fixture => {
  const found = FIXTURES.find((one) => one.name.startsWith(name));
  if (found === undefined) throw new Error(`no fixture ${name}`);
  return found;
};
