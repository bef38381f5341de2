import { KithError } from '../errors.js';
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
 * Adds the rows that no face answers to, under paths that are free; one that an old writer stores in this moment is
 * taken over by the upsert. Throws `migration-disturbed` when it was stored for another domain.
 */
export async function addNew(transaction: Queryable, subject: Subject, meter: ProgressMeter): Promise<number> {
  await findNew(transaction, subject);
  const { rows } = await transaction.query<{ first: number; last: number; total: number }>({
    text: `
      select coalesce(min(row_number), 0) as first, coalesce(max(row_number), -1) as last, count(*)::integer as total
      from kith_new`,
  });
  const { first, last, total } = rows[0]!;
  meter.begin('writing', total);
  let added = 0;
  for (let from = first; from <= last; from += ROWS_AT_ONCE) {
    added += await addRange(transaction, subject, from, from + ROWS_AT_ONCE);
    meter.advance(added, total);
  }
  meter.end();
  if (added < total) throw new KithError('migration-disturbed', { domain: subject.domain, rows: total - added });
  return added;
}

/**
 * The new rows and where they are stored: under their own path, unless a face has it. Then that is another face of the
 * image (an old table could keep one of several), and the next number is free; or it is another domain's (relative
 * paths can coincide), and the domain's name goes before the path.
 */
async function findNew(transaction: Queryable, { domain, table }: Subject): Promise<void> {
  const faces = identifier(table);
  await transaction.query({
    text: `
      create temporary table kith_new on commit drop as
        select row_number, identity, image_path as free_path from kith_stage where reason is null
        and not exists (select from kith_match where kith_match.row_number = kith_stage.row_number);
      analyze kith_new`,
  });
  const { rows } = await transaction.query<{ taken: boolean }>({
    text: `select exists (select from kith_new join ${faces} face on face.image_path = free_path) as taken`,
  });
  if (rows[0]?.taken !== true) return;
  await transaction.query({ text: 'create index on kith_new (free_path)' });
  await transaction.query({
    text: `
      with taken as (
        select row_number, case when face.domain = $1 then identity else $1 || '/' || identity end as image,
               row_number() over (partition by identity order by row_number) as nth
        from kith_new join ${faces} face on face.image_path = free_path)
      update kith_new set free_path = (
        select path
        from generate_series(1, 10000) as number,
          lateral (select case number when 1 then image else image || '#face=' || number end as path) named
        where not exists (select from ${faces} face where face.image_path = path)
          and not exists (select from kith_new other where other.free_path = path)
        order by number offset nth - 1 limit 1)
      from taken where taken.row_number = kith_new.row_number`,
    values: [domain],
  });
}

async function addRange(transaction: Queryable, { domain, table }: Subject, from: number, to: number): Promise<number> {
  const { rowCount } = await transaction.query({
    text: `
      with stored as (
        insert into ${identifier(table)} as face
          (person_id, domain, image_path, embedding, box_x, box_y, box_width, box_height, flags, legacy_hash, datastore_row)
        select person_id, $1, free_path, embedding, x, y, width, height,
               case when whole_photo then '{whole-image}'::text[] else '{}' end, hash, row_number
        from kith_stage join kith_new using (row_number) join kith_folder using (person)
        where row_number >= $2 and row_number < $3
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
