import type { Queryable } from '../gallery/database.js';
import { identifier } from '../gallery/sql-values.js';
import type { ProgressMeter } from './progress.js';
import type { Subject } from './reconcile.js';

/** Rows that one upsert writes; a progress bar moves between two of them. */
const ROWS_AT_ONCE = 50_000;

/** The columns of a face that come from a row, as `stage` has them. */
const DETAILS = `
  box_x = stage.x, box_y = stage.y, box_width = stage.width, box_height = stage.height,
  flags = case when stage.whole_photo then '{whole-image}'::text[] else '{}' end,
  legacy_hash = stage.hash, datastore_row = stage.row_number`;

/** Gives faces whose image was embedded anew their new vector, in place. Landmarks and scores were the old one's. */
export async function updateChanged(transaction: Queryable, { table }: Subject): Promise<number> {
  const { rowCount } = await transaction.query({
    text: `
      update ${identifier(table)} face
      set embedding = stage.embedding, ${DETAILS}, landmarks = null, confidence = null, image_sha256 = null
      from kith_match join kith_stage stage using (row_number)
      where face.id = face_id and not same`,
  });
  await transaction.query({ text: 'update kith_match set same = true where not same' });
  return rowCount;
}

/**
 * Adds the rows that no face answers to. A path that another domain's face has (relative paths can coincide) is stored
 * under the domain's name; one that an old writer stores in this moment is taken over by the upsert.
 */
export async function addNew(transaction: Queryable, subject: Subject, meter: ProgressMeter): Promise<number> {
  const { rows } = await transaction.query<{ first: number; last: number; total: number }>({
    text: `
      create temporary table kith_new on commit drop as
        select row_number from kith_stage where reason is null
        and not exists (select from kith_match where kith_match.row_number = kith_stage.row_number);
      create unique index on kith_new (row_number);
      select coalesce(min(row_number), 0)::float8 as first, coalesce(max(row_number), -1)::float8 as last, count(*)::float8 as total from kith_new`,
  });
  const { first, last, total } = rows[0] ?? { first: 0, last: -1, total: 0 };
  meter.begin('writing', total);
  let added = 0;
  for (let from = first; from <= last; from += ROWS_AT_ONCE) {
    added += await addRange(transaction, subject, from, from + ROWS_AT_ONCE);
    meter.advance(added, total);
  }
  meter.end();
  return added;
}

async function addRange(transaction: Queryable, { domain, table }: Subject, from: number, to: number): Promise<number> {
  const faces = identifier(table);
  const { rowCount } = await transaction.query({
    text: `
      with wanted as (
        select stage.*, kith_folder.person_id,
               case when exists (select from ${faces} taken where taken.image_path = stage.image_path and taken.domain <> $1)
                 then $1 || '/' || stage.image_path else stage.image_path end as free_path
        from kith_new join kith_stage stage using (row_number) join kith_folder using (person)
        where row_number >= $2 and row_number < $3),
      stored as (
        insert into ${faces} as face
          (person_id, domain, image_path, embedding, box_x, box_y, box_width, box_height, flags, legacy_hash, datastore_row)
        select person_id, $1, free_path, embedding, x, y, width, height,
               case when whole_photo then '{whole-image}'::text[] else '{}' end, hash, row_number
        from wanted
        order by row_number
        on conflict (image_path) do update set
          embedding = excluded.embedding, box_x = excluded.box_x, box_y = excluded.box_y,
          box_width = excluded.box_width, box_height = excluded.box_height, flags = excluded.flags,
          legacy_hash = excluded.legacy_hash, datastore_row = excluded.datastore_row
          where face.domain = excluded.domain
        returning id, datastore_row)
      insert into kith_match select datastore_row, id, true from stored`,
    values: [domain, from, to],
  });
  return rowCount;
}
