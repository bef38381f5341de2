import { type DatastoreRow, isWholePhoto } from '../datastore/row.js';
import { dimensionsOfModel } from '../embedding/model-dimensions.js';
import type { DatastoreSource } from './datastore-source.js';
import type { ProgressMeter } from './progress.js';
import { type BadRow, commonDimension, type GoodRow, RowCheck } from './row-check.js';
import { embedsWholePhoto } from './whole-photo.js';

export interface FeedOptions {
  readonly meter: ProgressMeter;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes of a row beside its vector: path, hash, box and pickle's framing; only for guessing how many rows come. */
const ROW_BYTES = 170;

function guessRows({ datastore }: DatastoreSource, dimensions: number): number {
  const layoutA = datastore.layout === 'A' || datastore.layout === 'A-ensemble';
  const vectors = datastore.parts.length * dimensions * (layoutA ? 4 : 9);
  return Math.max(1, Math.round(datastore.bytes / (vectors + ROW_BYTES)));
}

const modelDimension = ({ space }: DatastoreSource): number => dimensionsOfModel(space.model)?.[0] ?? 512;

/** The rows of a source, checked, batch by batch. `check` is to be read when the last batch was taken. */
export interface Feed {
  readonly check: RowCheck;
  batches(): AsyncGenerator<readonly (GoodRow | BadRow)[]>;
}

export function openFeed(source: DatastoreSource, dimensions: number | null, { meter, signal }: FeedOptions): Feed {
  const guess = guessRows(source, dimensions ?? modelDimension(source));
  const check = new RowCheck(dimensions, guess);
  return {
    check,
    async *batches() {
      meter.begin('reading', guess);
      for await (const rows of source.datastore.rows({
        part: source.part,
        ...(signal === undefined ? {} : { signal }),
      })) {
        signal?.throwIfAborted();
        yield await checkBatch(rows, check, source);
        meter.advance(check.rows, Math.max(guess, check.rows));
      }
      meter.advance(check.rows, check.rows);
      meter.end();
    },
  };
}

/** Only a row whose box may be the whole photo has to be waited for. */
async function checkBatch(
  rows: readonly DatastoreRow[],
  check: RowCheck,
  source: DatastoreSource,
): Promise<(GoodRow | BadRow)[]> {
  const checked: (GoodRow | BadRow)[] = [];
  for (const row of rows)
    checked.push(check.check(row, isWholePhoto(row.box) === null && (await embedsWholePhoto(row, source))));
  return checked;
}

/**
 * The dimension to expect before all rows were seen: that of most rows of the first batch, else the model's own.
 * {@link RowCheck.dimensions} tells afterwards whether it was right for the whole.
 */
export async function expectedDimension(source: DatastoreSource, signal?: AbortSignal): Promise<number> {
  const counts = new Map<number, number>();
  for await (const rows of source.datastore.rows({ part: source.part, ...(signal === undefined ? {} : { signal }) })) {
    for (const { embedding } of rows)
      if (embedding !== null) counts.set(embedding.length, (counts.get(embedding.length) ?? 0) + 1);
    if (counts.size > 0) break;
  }
  return commonDimension(counts) ?? modelDimension(source);
}

/** Says when a datastore's vectors are not of a dimension that its model gives. */
export function dimensionWarning(source: DatastoreSource, dimensions: number): string | null {
  const known = dimensionsOfModel(source.space.model);
  if (known === null || known.includes(dimensions)) return null;
  return `most rows have ${dimensions} dimensions; the model ${source.space.model} gives ${known.join(' or ')}`;
}
