import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Datastore, openDatastore } from '../datastore/datastore.js';
import { datastoreFileName } from '../datastore/file-name.js';
import { type WritableRow, writeDatastore } from '../datastore/write.js';
import { KithError } from '../errors.js';
import type { Gallery } from '../gallery/gallery.js';
import { identifier } from '../gallery/sql-values.js';
import { type StoredBox, splitPath, storedPath } from '../gallery/stored-face.js';
import { decodeVector } from '../gallery/vector-binary.js';
import type { DatastoreShelf } from './datastore-shelf.js';
import type { DomainState } from './domain-state.js';
import type { GallerySource } from './gallery-source.js';
import type { RecognitionEvent } from './options.js';

/** What was added to a datastore. */
export interface WrittenThrough {
  readonly faces: number;
  /** The signature beside the file, when that was replaced: Kith has no key to sign it anew. */
  readonly staleSignature: string | null;
}

const NOTHING: WrittenThrough = Object.freeze({ faces: 0, staleSignature: null });

/** Faces fetched at once. */
const BATCH = 500;

/**
 * Writes faces that the gallery has and a domain's datastore lacks to the datastore, so that going back loses nothing.
 * Only adds: a row that the gallery lost is still in the datastore afterwards. Replaced whole, so a kill leaves the
 * old file or the new one.
 */
export class WriteThrough {
  readonly #source: GallerySource;
  readonly #datastores: DatastoreShelf;
  readonly #onEvent: (event: RecognitionEvent) => void;
  readonly #newest = new Map<string, string>();
  readonly #running = new Map<string, Promise<WrittenThrough>>();

  constructor(source: GallerySource, datastores: DatastoreShelf, onEvent: (event: RecognitionEvent) => void) {
    this.#source = source;
    this.#datastores = datastores;
    this.#onEvent = onEvent;
  }

  /** Answers how many faces were added. One run at a time per domain; a second call waits for it and looks again. */
  async run(state: Pick<DomainState, 'domain' | 'datastore' | 'space'>): Promise<WrittenThrough> {
    await this.#running.get(state.domain)?.catch(() => undefined);
    const run = this.#run(state);
    this.#running.set(state.domain, run);
    return run.finally(() => this.#running.delete(state.domain));
  }

  /** Looks only when the gallery has got a newer face of the domain since the last time. */
  async runIfGrown(state: Pick<DomainState, 'domain' | 'datastore' | 'space'>): Promise<void> {
    const gallery = await this.#source.get();
    const { stored } = await gallery.domain(state.domain);
    const { rows } = await gallery.database.query<{ newest: string }>({
      text: `select coalesce(max(id), 0)::text as newest from ${identifier(stored.table)} where domain = $1::text`,
      values: [state.domain],
    });
    const newest = rows[0]?.newest ?? '0';
    if (this.#newest.get(state.domain) === newest) return;
    await this.run(state);
    this.#newest.set(state.domain, newest);
  }

  async #run({
    domain,
    datastore: path,
    space,
  }: Pick<DomainState, 'domain' | 'datastore' | 'space'>): Promise<WrittenThrough> {
    if (path === null) return NOTHING;
    const gallery = await this.#source.get();
    const before = await stat(path);
    const datastore = await openDatastore(path);
    const missing = await missingFrom(gallery, domain, datastore);
    if (missing.length === 0) return NOTHING;
    // Older layouts cannot hold what is added: a datastore in today's layout then takes the old one's place.
    const today = datastore.layout === 'E' || datastore.layout === 'F' || space === null;
    const target = today ? path : join(dirname(path), datastoreFileName(space));
    await writeDatastore(target, merged(gallery, domain, datastore, missing, before.mtimeMs));
    if (target === path) await this.#datastores.reload({ domain });
    const staleSignature = target === path && datastore.signature ? `${path}.ldsa` : null;
    if (staleSignature !== null) this.#onEvent({ kind: 'signature-stale', domain, signature: staleSignature });
    return { faces: missing.length, staleSignature };
  }
}

/** The stored paths that no row of the datastore accounts for. */
async function missingFrom(gallery: Gallery, domain: string, datastore: Datastore): Promise<readonly string[]> {
  const there = new Set<string>();
  const faces = new Map<string, number>();
  for await (const rows of datastore.rows())
    for (const { identity, embedding } of rows) {
      // A row without an embedding is DeepFace's note "no face": the gallery's face takes nothing from it.
      if (identity === null || embedding === null) continue;
      const number = (faces.get(identity) ?? 0) + 1;
      faces.set(identity, number);
      there.add(storedPath(identity, number));
    }
  const { stored } = await gallery.domain(domain);
  const { rows } = await gallery.database.query<{ image_path: string }>({
    // A face that a kept row names is in the datastore, under the path that it had there.
    text: `select image_path from ${identifier(stored.table)} f where domain = $1::text and not exists (
             select from kith_datastore_rows kept
             where kept.face_id = f.id and kept.domain = $1::text and kept.space_id = $2::int)
           order by id`,
    values: [domain, stored.id],
  });
  return rows.map((row) => row.image_path).filter((path) => !there.has(path));
}

interface FaceRow {
  readonly image_path: string;
  readonly embedding: Buffer;
  readonly hash: string;
  readonly x: number | null;
  readonly y: number | null;
  readonly width: number | null;
  readonly height: number | null;
}

/** The old rows as they are, then the added ones. Throws `datastore-changed` when somebody else wrote meanwhile. */
async function* merged(
  gallery: Gallery,
  domain: string,
  datastore: Datastore,
  missing: readonly string[],
  modified: number,
): AsyncGenerator<readonly WritableRow[]> {
  yield* datastore.rows();
  const { stored } = await gallery.domain(domain);
  for (let start = 0; start < missing.length; start += BATCH) {
    const { rows } = await gallery.database.query<FaceRow>({
      text: FACES(stored.table),
      values: [domain, missing.slice(start, start + BATCH)],
    });
    yield rows.map(writable);
  }
  const { mtimeMs } = await stat(datastore.path);
  if (mtimeMs !== modified) throw new KithError('datastore-changed', { path: datastore.path });
}

/** DeepFace's `hash` is of a file's size and times; where it is not known, one that no file has makes DeepFace look again. */
const FACES = (table: string): string => `select image_path, vector_send(embedding) as embedding,
    coalesce(legacy_hash, encode(image_sha256, 'hex'), '') as hash,
    box_x as x, box_y as y, box_width as width, box_height as height
  from ${identifier(table)} where domain = $1::text and image_path = any($2::text[]) order by id`;

function writable({ image_path, embedding, hash, x, y, width, height }: FaceRow): WritableRow {
  const box: StoredBox | null =
    x === null || y === null || width === null || height === null ? null : { x, y, width, height };
  return { identity: splitPath(image_path).imagePath, hash, embedding: decodeVector(embedding), box };
}
