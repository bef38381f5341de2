import type { Embedding } from '../embedding/embedding.js';
import type { Queryable, QueryOptions, SqlValue } from './database.js';
import type { StoredSpace } from './domain.js';
import { isKey, shortText, wholeNumber } from './option-check.js';
import type { Page, PageRequest } from './person.js';
import { deletesRow, pageLimit, pageOf, pageRows, pageStart } from './person-store.js';
import { type FaceFlag, type NewFace, type StoredFace, splitPath, storedPath } from './stored-face.js';

interface FaceRow {
  readonly id: string;
  readonly person_id: string;
  readonly domain: string;
  readonly image_path: string;
  readonly confidence: number | null;
  readonly created_at: Date;
  readonly box_x: number | null;
  readonly box_y: number | null;
  readonly box_width: number | null;
  readonly box_height: number | null;
  readonly landmarks: readonly number[] | null;
  readonly flags: readonly FaceFlag[];
  readonly image_sha256: string | null;
  readonly legacy_hash: string | null;
}

const COLUMNS = `f.id::text as id, f.person_id::text as person_id, f.domain, f.image_path, f.confidence, f.created_at,
  f.box_x, f.box_y, f.box_width, f.box_height, f.landmarks, f.flags, encode(f.image_sha256, 'hex') as image_sha256,
  f.legacy_hash`;

const box = ({ box_x: x, box_y: y, box_width: width, box_height: height }: FaceRow): StoredFace['box'] =>
  x === null || y === null || width === null || height === null ? null : { x, y, width, height };

const pairs = (flat: readonly number[]): [number, number][] =>
  Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index]!, flat[2 * index + 1]!]);

const face = (row: FaceRow): StoredFace => ({
  id: row.id,
  personId: row.person_id,
  domain: row.domain,
  ...splitPath(row.image_path),
  confidence: row.confidence,
  createdAt: row.created_at,
  box: box(row),
  landmarks: row.landmarks === null ? null : pairs(row.landmarks),
  flags: row.flags,
  imageSha256: row.image_sha256,
  legacyHash: row.legacy_hash,
});

const upsertText = (table: string): string => `insert into ${table} as f
    (person_id, image_path, embedding, confidence, box_x, box_y, box_width, box_height, landmarks, flags, image_sha256,
      legacy_hash)
  values ($1, $2, $3::vector, $4, $5, $6, $7, $8, $9, $10, decode($11, 'hex'), $12)
  on conflict (image_path) do update set
    person_id = excluded.person_id, embedding = excluded.embedding, confidence = excluded.confidence,
    box_x = excluded.box_x, box_y = excluded.box_y, box_width = excluded.box_width, box_height = excluded.box_height,
    landmarks = excluded.landmarks, flags = excluded.flags, image_sha256 = excluded.image_sha256,
    legacy_hash = excluded.legacy_hash
  returning ${COLUMNS}`;

function values(given: NewFace, embedding: Embedding): SqlValue[] {
  const { box, landmarks, flags, confidence, imageSha256, legacyHash } = given;
  return [
    given.personId,
    storedPath(
      shortText('imagePath', given.imagePath, 4096),
      wholeNumber('faceNumber', given.faceNumber, [1, 10_000], 1),
    ),
    embedding.values,
    confidence ?? null,
    box?.x ?? null,
    box?.y ?? null,
    box?.width ?? null,
    box?.height ?? null,
    landmarks == null ? null : landmarks.flat(),
    [...(flags ?? [])],
    imageSha256 ?? null,
    legacyHash ?? null,
  ];
}

/** Adds a face, or replaces the one that is stored under its image path and number. */
export async function upsertFace(
  database: Queryable,
  stored: StoredSpace,
  given: NewFace,
  embedding: Embedding,
  options?: QueryOptions,
): Promise<StoredFace> {
  const { rows } = await database.query<FaceRow>(
    { text: upsertText(stored.table), values: values(given, embedding), name: `kith_face_${stored.id}` },
    options,
  );
  return face(rows[0]!);
}

/** The faces of a person in one table. */
export async function listFaces(
  database: Queryable,
  table: string,
  personId: string,
  page?: PageRequest,
  options?: QueryOptions,
): Promise<Page<StoredFace>> {
  const limit = pageLimit(page);
  const after = pageStart(page);
  const rows = await pageRows<FaceRow>(
    database,
    {
      text: `select ${COLUMNS} from ${table} f where f.person_id = $1 ${after === null ? '' : 'and f.id > $3'}
        order by f.id limit $2`,
      values: [personId, limit + 1, ...(after === null ? [] : [after])],
      repeatable: true,
    },
    after,
    options,
  );
  return pageOf(rows, limit, face);
}

/** Deletes a face of a domain; false when there was none. */
export async function deleteFace(
  database: Queryable,
  table: string,
  domain: string,
  id: string,
  options?: QueryOptions,
): Promise<boolean> {
  if (!isKey(id)) return false;
  const text = `delete from ${table} where id = $1 and domain = $2`;
  return deletesRow(database, { text, values: [id, domain] }, options);
}
