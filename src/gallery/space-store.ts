import {
  type ChannelOrder,
  type EmbeddingSpace,
  type Metric,
  spaceName,
  whyNotComparable,
} from '../embedding/space.js';
import { KithError } from '../errors.js';
import type { Queryable, QueryOptions } from './database.js';
import type { StoredSpace } from './domain.js';

/** A row of kith_spaces, its columns prefixed so that it can be joined to others. */
export interface SpaceRow {
  readonly space_id: number;
  readonly table_name: string;
  readonly model: string | null;
  readonly detector: string | null;
  readonly aligned: boolean | null;
  readonly normalization: string | null;
  readonly expand: number | null;
  readonly dimensions: number;
  readonly metric: Metric;
  readonly channel_order: ChannelOrder | null;
  readonly weights_sha256: string | null;
  readonly producer: string | null;
}

export const SPACE_COLUMNS = `s.id as space_id, s.table_name, s.model, s.detector, s.aligned, s.normalization, s.expand,
  s.dimensions, s.metric, s.channel_order, s.weights_sha256, s.producer`;

export function storedSpace(row: SpaceRow): StoredSpace {
  const { space_id: id, table_name: table, model, dimensions, metric } = row;
  if (model === null) return { id, table, space: null, dimensions };
  const { detector, aligned, normalization, expand, channel_order, weights_sha256, producer } = row;
  const space: EmbeddingSpace = Object.freeze({
    model,
    detector,
    aligned,
    normalization,
    expand,
    dimensions,
    metric,
    channelOrder: channel_order,
    weightsSha256: weights_sha256,
    producer,
  });
  return { id, table, space, dimensions };
}

export async function readSpaces(database: Queryable, options?: QueryOptions): Promise<readonly StoredSpace[]> {
  const { rows } = await database.query<SpaceRow>(
    { text: `select ${SPACE_COLUMNS} from kith_spaces s order by s.id`, repeatable: true },
    options,
  );
  return rows.map(storedSpace);
}

const parts = (space: EmbeddingSpace) =>
  [
    space.model,
    space.detector,
    space.aligned,
    space.normalization,
    space.expand,
    space.channelOrder,
    space.weightsSha256,
    space.producer,
    space.metric,
  ] as const;

const DECLARE = `update kith_spaces s set model = $2, detector = $3, aligned = $4, normalization = $5, expand = $6,
    channel_order = $7, weights_sha256 = $8, producer = $9, metric = $10
  where s.table_name = $1 and s.model is null returning ${SPACE_COLUMNS}`;

const ADD = `insert into kith_spaces as s (id, table_name, dimensions, model, detector, aligned, normalization, expand,
    channel_order, weights_sha256, producer, metric)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning ${SPACE_COLUMNS}`;

/** Spaces are few and made once: whoever may make one waits for the others. Needs a transaction. */
async function lockSpaces(database: Queryable): Promise<void> {
  await database.query({ text: `select pg_advisory_xact_lock(hashtext('kith spaces'))` });
}

const isSame = (stored: StoredSpace, space: EmbeddingSpace): boolean =>
  stored.space !== null && stored.space.metric === space.metric && whyNotComparable(stored.space, space) === null;

async function isEmpty(database: Queryable, table: string): Promise<boolean> {
  const { rows } = await database.query({ text: `select from ${table} limit 1` });
  return rows.length === 0;
}

/**
 * The table of a space, made when it is not there. The first 512-d cosine space takes `face_embeddings` if that holds
 * nothing; every other gets a table of its own. Needs a transaction.
 */
export async function ensureSpace(database: Queryable, space: EmbeddingSpace): Promise<StoredSpace> {
  const find = async (): Promise<StoredSpace | undefined> =>
    (await readSpaces(database)).find((stored) => isSame(stored, space));
  const found = await find();
  if (found !== undefined) return found;
  await lockSpaces(database);
  const spaces = await readSpaces(database);
  const made = spaces.find((stored) => isSame(stored, space));
  if (made !== undefined) return made;
  const first = spaces[0]!;
  const takes = first.space === null && first.dimensions === space.dimensions && space.metric === 'cosine';
  if (takes && (await isEmpty(database, first.table))) return declareSpace(database, first.table, space);
  return addSpace(database, space);
}

async function addSpace(database: Queryable, space: EmbeddingSpace): Promise<StoredSpace> {
  const { rows } = await database.query<{ id: number }>({ text: `select nextval('kith_spaces_id_seq')::int as id` });
  const { id } = rows[0]!;
  const table = `face_embeddings_${id}`;
  await database.query({
    text: 'select kith_create_face_table($1, $2, $3)',
    values: [table, space.dimensions, space.metric],
  });
  const added = await database.query<SpaceRow>({ text: ADD, values: [id, table, space.dimensions, ...parts(space)] });
  return storedSpace(added.rows[0]!);
}

/** Says of which space an undeclared table's embeddings are. Saying the same again changes nothing. Needs a transaction. */
export async function declareSpace(database: Queryable, table: string, space: EmbeddingSpace): Promise<StoredSpace> {
  await lockSpaces(database);
  const spaces = await readSpaces(database);
  const stored = spaces.find((candidate) => candidate.table === table);
  const given = spaceName(space);
  if (stored === undefined) throw new KithError('space-declared', { table, held: 'nothing: it is not there', given });
  if (isSame(stored, space)) return stored;
  const elsewhere = spaces.find((candidate) => isSame(candidate, space));
  if (elsewhere !== undefined) throw new KithError('space-declared', { table: elsewhere.table, held: given, given });
  if (stored.space !== null) throw new KithError('space-declared', { table, held: spaceName(stored.space), given });
  if (stored.dimensions !== space.dimensions)
    throw new KithError('space-declared', { table, held: `${stored.dimensions}-d embeddings`, given });
  const { rows } = await database.query<SpaceRow>({ text: DECLARE, values: [table, ...parts(space)] });
  return storedSpace(rows[0]!);
}
