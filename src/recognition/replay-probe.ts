import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatastore } from '../datastore/datastore.js';
import type { DatastoreRow } from '../datastore/row.js';
import { personOf, rowFlaw } from '../datastore/row.js';
import type { Embedding } from '../embedding/embedding.js';
import type { EmbeddingSpace } from '../embedding/space.js';
import type { Box } from '../face/face.js';
import { probeOf } from './datastore-shelf.js';
import { keyOfPath } from './enrol-source.js';
import { vectorSha256 } from './probe-hash.js';

/** A probe of a replay: what is searched, and which image's faces are left out on both sides. */
export interface ReplayProbe {
  readonly embedding: Embedding;
  readonly sha256: string;
  readonly excludeImage: string | undefined;
  /** Where the photo is, when it has to be looked at again. */
  readonly photo: string | undefined;
  /** Which face of it: the one around here; null where the datastore did not say. */
  readonly box: Box | null;
}

/** The face whose middle is nearest to a box's; the first without a box. */
export function faceAt<F extends { readonly box: Box }>(faces: readonly F[], box: Box | null): F | undefined {
  if (box === null) return faces[0];
  const off = ({ box: at }: F): number =>
    Math.hypot(at.x + at.width / 2 - box.x - box.width / 2, at.y + at.height / 2 - box.y - box.height / 2);
  return faces.toSorted((a, b) => off(a) - off(b))[0];
}

/** Every good row of a datastore as a probe, its own image left out. */
export async function* enrolledProbes(
  path: string,
  space: EmbeddingSpace,
  signal: AbortSignal | undefined,
): AsyncGenerator<ReplayProbe | null> {
  const datastore = await openDatastore(path);
  for await (const rows of datastore.rows(signal === undefined ? {} : { signal }))
    for (const row of rows) yield probeOfRow(row, space);
}

function probeOfRow(row: DatastoreRow, space: EmbeddingSpace): ReplayProbe | null {
  if (row.embedding === null || row.identity === null || rowFlaw(row, space.dimensions) !== null) return null;
  const embedding = probeOf(row.embedding.slice(), space);
  return { embedding, sha256: vectorSha256(embedding), excludeImage: row.identity, photo: row.identity, box: row.box };
}

/** Rows of a datastore, for the progress of a replay. */
export async function countRows(path: string, signal: AbortSignal | undefined): Promise<number> {
  const datastore = await openDatastore(path);
  return (await datastore.survey(signal === undefined ? {} : { signal })).rows;
}

/** The bytes of an enrolled image: where its path says, else under its person in the domain's folder; null when it is gone. */
export async function photoOfIdentity(identity: string, domainFolder: string): Promise<Uint8Array | null> {
  const parts = keyOfPath(identity);
  const places = [identity, ...(parts === null || personOf(identity) === null ? [] : [join(domainFolder, parts.key)])];
  for (const place of places) {
    const there = await access(place).then(
      () => true,
      () => false,
    );
    if (there) return readFile(place);
  }
  return null;
}

/** Files below a folder that may be photos, in order. */
export async function photosBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(jpe?g|png|webp|avif|gif|tiff?)$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}
