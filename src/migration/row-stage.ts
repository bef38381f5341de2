import { type DatastoreRow, personOf } from '../datastore/row.js';
import { type CopyValue, encodeCopy } from '../gallery/copy-encode.js';
import type { Queryable } from '../gallery/database.js';
import { storedPath } from '../gallery/stored-face.js';
import { imageTail } from './image-tail.js';
import type { BadRow, GoodRow } from './row-check.js';
import type { Feed } from './row-feed.js';

/**
 * The rows of a datastore, good and bad, in a table of the transaction's own: everything after this is done by the
 * server, so that a gallery of any size is compared and loaded in the same memory.
 */

/** Name, SQL type, type on the wire; in the order of {@link stageRow}. */
const COLUMNS = [
  ['row_number', 'integer not null', 'int4'],
  ['identity', 'text', 'text'],
  ['hash', 'text', 'text'],
  ['x', 'double precision', 'float8'],
  ['y', 'double precision', 'float8'],
  ['width', 'double precision', 'float8'],
  ['height', 'double precision', 'float8'],
  /** Null for a good row. */
  ['reason', 'text', 'text'],
  /** The vector of a bad row, which may be no `vector`: kept so that an export is whole. */
  ['numbers', 'real[]', 'float4[]'],
  ['person', 'text', 'text'],
  ['face_number', 'integer', 'int4'],
  ['image_path', 'text', 'text'],
  ['image_tail', 'text', 'text'],
  ['whole_photo', 'boolean', 'bool'],
  ['embedding', 'vector', 'vector'],
] as const;

const TABLE = 'kith_stage';

export async function createStage(transaction: Queryable): Promise<void> {
  const columns = COLUMNS.map(([name, type]) => `${name} ${type}`).join(', ');
  // Vectors of up to a page stay in the row: each is read three times, and three times fetched from TOAST otherwise.
  await transaction.query({
    text: `create temporary table ${TABLE} (${columns}) with (toast_tuple_target = 8160) on commit drop`,
  });
  await transaction.query({
    text: 'create temporary table kith_match (row_number integer not null, face_id bigint not null, same boolean not null) on commit drop',
  });
}

/** Copies a feed into the stage, in binary. */
export async function fillStage(transaction: Queryable, feed: Feed, signal?: AbortSignal): Promise<void> {
  const target = { table: TABLE, columns: COLUMNS.map(([name]) => name) };
  const types = COLUMNS.map(([, , type]) => type);
  await transaction.copyIn(target, encodeCopy(types, stageRows(feed)), signal ? { signal } : {});
  await transaction.query({
    text: `set local default_statistics_target = 10; analyze ${TABLE} (row_number, image_path, image_tail, person, reason);
      set local default_statistics_target = default`,
  });
}

async function* stageRows(feed: Feed): AsyncGenerator<readonly (readonly CopyValue[])[]> {
  for await (const rows of feed.batches()) yield rows.map(stageRow);
}

const NO_BOX = { x: null, y: null, width: null, height: null };

function stageRow(checked: GoodRow | BadRow): readonly CopyValue[] {
  const { row } = checked;
  const { x, y, width, height } = row.box ?? NO_BOX;
  const own = [row.row, storable(row.identity), storable(row.hash), x, y, width, height];
  if (checked.skipped)
    return [...own, checked.report.reason, row.embedding, folderOf(row), null, null, null, null, null];
  const { identity, person, faceNumber, wholePhoto, embedding } = checked;
  const path = storedPath(identity, faceNumber);
  return [...own, null, null, person, faceNumber, path, imageTail(identity), wholePhoto, embedding];
}

/** The person whom a skipped row names: when that person is erased, the row is too. */
const folderOf = ({ identity }: DatastoreRow): string | null =>
  storable(identity === null ? null : personOf(identity))?.normalize('NFC') ?? null;

/** A text that PostgreSQL takes: it has no NUL. Only rows that are skipped for it are changed. */
const storable = (text: string | null): string | null => text?.replaceAll('\0', '\ufffd') ?? null;
