import { KithError } from '../errors.js';
import type { Database, QueryOptions } from './database.js';
import type { Health } from './gallery.js';
import { pgvectorVersion } from './pgvector.js';
import type { LiveRecall } from './recall-live.js';
import { assertCurrent, schemaStatus } from './schema-status.js';

const text = (error: unknown): string => (error instanceof KithError ? error.message : 'an unforeseen fault');

// A table without a usable index is searched exactly: slower, not wrong.
const MISSING_INDEX = `select s.table_name from kith_spaces s
  where s.dimensions <= 2000 and not exists (
    select from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am a on a.oid = x.relam
    where i.indrelid = to_regclass(s.table_name) and i.indisvalid and i.indisready and a.amname = 'hnsw')
  order by s.id`;

type LiveRecalls = ReadonlyMap<string, LiveRecall>;

/** Live recall under this, on enough comparisons to tell, is a reason to tune. */
const LEAST_RECALL = 0.99;
const ENOUGH = 200;

function recallLines(recalls: LiveRecalls): { lines: string[]; low: boolean } {
  const measured = [...recalls].filter(([, { comparisons }]) => comparisons > 0);
  const lines = measured.map(
    ([domain, { recall, comparisons }]) => `recall of ${domain} ${recall.toFixed(4)} in ${comparisons} searches`,
  );
  return { lines, low: measured.some(([, live]) => live.comparisons >= ENOUGH && live.recall < LEAST_RECALL) };
}

async function indexHealth(database: Database, recalls: LiveRecalls, options?: QueryOptions): Promise<Health['index']> {
  const { rows } = await database.query<{ table_name: string }>({ text: MISSING_INDEX, repeatable: true }, options);
  const indexes =
    rows.length === 0
      ? 'every table of faces has its HNSW index'
      : `searched exactly, without an index: ${rows.map((row) => row.table_name).join(', ')}`;
  const { lines, low } = recallLines(recalls);
  return { ok: !low, detail: [indexes, ...lines].join('; ') };
}

/** Whether the gallery can be searched, and what is wrong when it cannot. Never throws for a database that is down. */
export async function galleryHealth(database: Database, recalls: LiveRecalls, options?: QueryOptions): Promise<Health> {
  const { kind } = database;
  try {
    assertCurrent(await schemaStatus(database, options));
    const version = await pgvectorVersion(database, options);
    const index = await indexHealth(database, recalls, options);
    // A low recall is told, and is no reason to stop answering.
    const ok = version !== null;
    const detail = version === null ? 'no pgvector extension' : `pgvector ${version.join('.')}`;
    return { ok, database: { ok: version !== null, kind, detail }, index };
  } catch (error) {
    if (options?.signal?.aborted === true) throw error;
    const detail = text(error);
    return { ok: false, database: { ok: false, kind, detail }, index: { ok: false, detail: 'not checked' } };
  }
}
