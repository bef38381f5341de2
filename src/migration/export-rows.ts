import type { WritableRow } from '../datastore/write.js';
import type { CopyRow, Database } from '../gallery/database.js';
import type { StoredSpace } from '../gallery/domain.js';
import { identifier, literal } from '../gallery/sql-values.js';
import { decodeVector } from '../gallery/vector-binary.js';

export type ExportedRow = WritableRow & {
  /** False for a row that a migration skipped. */
  readonly isFace: boolean;
};

/**
 * Rows of the datastore in its order, then faces that it does not know, in the order of their making. What a migration
 * kept of a row goes before what the face says.
 */
const exportQuery = ({ id, table }: StoredSpace, domain: string): string => `
  select coalesce(kept.identity, regexp_replace(face.image_path, '#face=[1-9][0-9]*$', '')) as identity,
         case when kept.row_number is null then face.legacy_hash else kept.hash end as hash,
         case when kept.row_number is null then face.box_x::float8 else kept.x end as x,
         case when kept.row_number is null then face.box_y::float8 else kept.y end as y,
         case when kept.row_number is null then face.box_width::float8 else kept.width end as width,
         case when kept.row_number is null then face.box_height::float8 else kept.height end as height,
         face.embedding, kept.numbers
  from (select * from ${identifier(table)} where domain = ${literal(domain)}) face
    full join (select * from kith_datastore_rows where space_id = ${id} and domain = ${literal(domain)}) kept
      on kept.face_id = face.id
  where face.id is not null or kept.reason is not null
  order by coalesce(kept.row_number, face.datastore_row) nulls last, face.id`;

export async function* readExport(
  database: Database,
  stored: StoredSpace,
  domain: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly ExportedRow[]> {
  for await (const rows of database.copyOut(exportQuery(stored, domain), signal ? { signal } : {}))
    yield rows.map(exportedRow);
}

function exportedRow([identity, hash, x, y, width, height, vector, numbers]: CopyRow): ExportedRow {
  const box = [x, y, width, height].map((side) => side?.readDoubleBE() ?? null);
  const [left, top, wide, high] = box;
  return {
    identity: identity?.toString('utf8') ?? null,
    hash: hash?.toString('utf8') ?? null,
    box:
      left == null || top == null || wide == null || high == null
        ? null
        : { x: left, y: top, width: wide, height: high },
    embedding: vector != null ? decodeVector(vector) : numbers != null ? decodeFloats(numbers) : null,
    isFace: vector != null,
  };
}

/** A `real[]` of one dimension without nulls, as `array_send` writes it. */
function decodeFloats(bytes: Buffer): Float32Array {
  if (bytes.readInt32BE(0) === 0) return new Float32Array(0);
  const values = new Float32Array(bytes.readInt32BE(12));
  for (let i = 0; i < values.length; i++) values[i] = bytes.readFloatBE(24 + 8 * i);
  return values;
}
