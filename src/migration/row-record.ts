import type { Queryable } from '../gallery/database.js';
import { identifier } from '../gallery/sql-values.js';
import type { Subject } from './reconcile.js';

/**
 * Keeps what a datastore says and no face holds, so that an export gives the whole datastore back: rows that were
 * skipped, and for rows whose face was there before (stored under another path, without box or hash, or now at another
 * place in the datastore) what differs. Faces that this migration wrote hold it all themselves. Rewriting such faces
 * instead would put each into the HNSW index again: 2 ms a row, against microseconds here.
 */
export async function recordRows(transaction: Queryable, { domain, table }: Subject, spaceId: number): Promise<void> {
  // A face whose row is gone from the datastore has no place in it any more.
  await transaction.query({
    text: `
      update ${identifier(table)} face set datastore_row = null
      where domain = $1 and datastore_row is not null and not exists (select from kith_match where face_id = face.id)`,
    values: [domain],
  });
  await transaction.query({
    text: `
      create temporary table kith_record on commit drop as
      select stage.row_number, kith_folder.person_id, face.id as face_id, stage.identity, stage.hash,
             stage.x, stage.y, stage.width, stage.height, stage.reason, stage.numbers
      from kith_stage stage
        left join kith_match using (row_number)
        left join ${identifier(table)} face on face.id = face_id
        left join kith_folder using (person)
      where stage.reason is not null
         or face.id is not null and (
              face.datastore_row is distinct from stage.row_number or face.legacy_hash is distinct from stage.hash
              or face.image_path <> stage.image_path
              or (face.box_x, face.box_y, face.box_width, face.box_height)
                 is distinct from (stage.x::real, stage.y::real, stage.width::real, stage.height::real))`,
  });
  await transaction.query({
    text: `
      delete from kith_datastore_rows kept
      where space_id = $1 and domain = $2
        and not exists (select from kith_record where kith_record.row_number = kept.row_number)`,
    values: [spaceId, domain],
  });
  await transaction.query({
    text: `
      insert into kith_datastore_rows as kept
        (space_id, domain, row_number, person_id, face_id, identity, hash, x, y, width, height, reason, numbers)
      select $1, $2, row_number, person_id, face_id, identity, hash, x, y, width, height, reason, numbers from kith_record
      on conflict (space_id, domain, row_number) do update set
        person_id = excluded.person_id, face_id = excluded.face_id, identity = excluded.identity, hash = excluded.hash,
        x = excluded.x, y = excluded.y, width = excluded.width, height = excluded.height,
        reason = excluded.reason, numbers = excluded.numbers
        where (kept.person_id, kept.face_id, kept.identity, kept.hash, kept.x, kept.y, kept.width, kept.height, kept.reason, kept.numbers)
          is distinct from (excluded.person_id, excluded.face_id, excluded.identity, excluded.hash,
            excluded.x, excluded.y, excluded.width, excluded.height, excluded.reason, excluded.numbers)`,
    values: [spaceId, domain],
  });
}
