import type { Queryable } from '../gallery/database.js';
import { identifier } from '../gallery/sql-values.js';
import { tailOfPath } from './image-tail.js';

/**
 * Finds, for each good row of the stage, the face of the gallery that it is. One face for a row, one row for a face.
 * In this order, each step over what the ones before left:
 * 1. the path under which Kith stores the row, with its vector;
 * 2. the same image (its path's last two parts: an old migration may have stored another root), with its vector;
 * 3. the path, with another vector: the image was embedded anew;
 * 4. the image and the face's number, where only one of each has them;
 * 5. the same vector under any path.
 * Rows that find no face are new; faces that find no row are extra.
 */

/** Vectors are equal when float32 rounding explains their difference: an old migration wrote them as text. */
export const equal = (face: string, row: string): string =>
  `(${face} = ${row} or ${face} <-> ${row} <= 1e-6 * vector_norm(${row}))`;

/** The reconciliation's subject: the faces of one domain in the table of one space. */
export interface Subject {
  readonly domain: string;
  readonly table: string;
}

const facesOf = (table: string): string => `(select * from ${identifier(table)} where domain = $1)`;

export async function reconcile(transaction: Queryable, { domain, table }: Subject): Promise<void> {
  const step = (text: string): Promise<unknown> => transaction.query({ text, values: [domain] });
  await step(`
    insert into kith_match
    select stage.row_number, face.id, true
    from kith_stage stage join ${facesOf(table)} face on face.image_path = stage.image_path
    where stage.reason is null and ${equal('face.embedding', 'stage.embedding')}`);
  await setLeftOversAside(transaction, domain, table);
  if (!(await anyLeft(transaction))) return;
  for (const text of [sameImageSameVector(table), samePath(table), sameFaceOfImage(table), sameVector(table)])
    await transaction.query({ text });
}

async function setLeftOversAside(transaction: Queryable, domain: string, table: string): Promise<void> {
  await transaction.query({ text: 'analyze kith_match' });
  await transaction.query({
    text: `
      create temporary table kith_left_face on commit drop as
      select face.id, face.image_path, persons.name as person, ${tailOfPath('face.image_path')} as image_tail,
             coalesce(substring(face.image_path from '#face=([1-9][0-9]*)$')::integer, 1) as face_number
      from ${identifier(table)} face join persons on persons.id = face.person_id
      where face.domain = $1 and not exists (select from kith_match where face_id = face.id)`,
    values: [domain],
  });
}

async function anyLeft(transaction: Queryable): Promise<boolean> {
  const { rows } = await transaction.query<{ left: boolean }>({
    text: 'select exists (select from kith_left_face) as left',
  });
  return rows[0]?.left === true;
}

const LEFT_ROWS = `(select * from kith_stage where reason is null
  and not exists (select from kith_match where kith_match.row_number = kith_stage.row_number))`;
const LEFT_FACES =
  '(select * from kith_left_face where not exists (select from kith_match where face_id = kith_left_face.id))';

const vectorOf = (table: string): string => `join ${identifier(table)} stored on stored.id = face.id`;

const sameImageSameVector = (table: string): string => `
  insert into kith_match
  select row_number, id, true
  from (select stage.row_number, face.id,
               row_number() over (partition by stage.row_number order by face.face_number = stage.face_number desc, face.id) as nth_face,
               row_number() over (partition by face.id order by face.face_number = stage.face_number desc, stage.row_number) as nth_row
        from ${LEFT_ROWS} stage join ${LEFT_FACES} face on face.image_tail = stage.image_tail ${vectorOf(table)}
        where ${equal('stored.embedding', 'stage.embedding')}) pair
  where nth_face = 1 and nth_row = 1`;

const samePath = (table: string): string => `
  insert into kith_match
  select stage.row_number, face.id, ${equal('stored.embedding', 'stage.embedding')}
  from ${LEFT_ROWS} stage join ${LEFT_FACES} face on face.image_path = stage.image_path ${vectorOf(table)}`;

const sameFaceOfImage = (table: string): string => `
  insert into kith_match
  select stage.row_number, face.id, ${equal('stored.embedding', 'stage.embedding')}
  from (select *, count(*) over (partition by image_tail, face_number) as alike from ${LEFT_ROWS} left_row) stage
  join (select *, count(*) over (partition by image_tail, face_number) as alike from ${LEFT_FACES} left_face) face
    on face.image_tail = stage.image_tail and face.face_number = stage.face_number and face.alike = 1 and stage.alike = 1
  ${vectorOf(table)}`;

const sameVector = (table: string): string => `
  with stage as (
    select row_number, embedding, row_number() over (partition by embedding order by person, row_number) as nth
    from ${LEFT_ROWS} left_row),
  face as (
    select face.id, stored.embedding, row_number() over (partition by stored.embedding order by face.person, face.id) as nth
    from ${LEFT_FACES} face ${vectorOf(table)})
  insert into kith_match
  select stage.row_number, face.id, true from stage join face using (embedding, nth)`;
