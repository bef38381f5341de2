import type { Queryable } from '../gallery/database.js';

/** A cutover as the database keeps it. `watching` until its time is over, then `settled`, unless it is undone. */
export interface Cutover {
  readonly id: string;
  readonly domain: string;
  readonly state: 'watching' | 'settled' | 'rolled-back';
  readonly startedAt: Date;
  readonly watchUntil: Date;
  readonly who: string;
  readonly why: string;
  readonly forced: boolean;
  readonly maxErrorRate: number;
  readonly maxEmptyRate: number;
}

interface CutoverRow {
  readonly id: string;
  readonly domain: string;
  readonly state: Cutover['state'];
  readonly started_at: Date;
  readonly watch_until: Date;
  readonly who: string;
  readonly why: string;
  readonly forced: boolean;
  readonly max_error_rate: number;
  readonly max_empty_rate: number;
}

const read = (row: CutoverRow): Cutover => ({
  id: row.id,
  domain: row.domain,
  state: row.state,
  startedAt: new Date(row.started_at),
  watchUntil: new Date(row.watch_until),
  who: row.who,
  why: row.why,
  forced: row.forced,
  maxErrorRate: row.max_error_rate,
  maxEmptyRate: row.max_empty_rate,
});

const COLUMNS = 'id::text, domain, state, started_at, watch_until, who, why, forced, max_error_rate, max_empty_rate';

/** The cutovers in force, at most one per domain. */
export async function standingCutovers(database: Pick<Queryable, 'query'>): Promise<readonly Cutover[]> {
  const { rows } = await database.query<CutoverRow>({
    text: `select ${COLUMNS} from kith_cutovers where state <> 'rolled-back'`,
  });
  return rows.map(read);
}

export type NewCutover = Omit<Cutover, 'id' | 'state' | 'startedAt' | 'watchUntil'> & {
  readonly watchMinutes: number;
  readonly reasons: readonly string[];
};

/** Records a cutover; the database's own clock says until when it is watched. */
export async function insertCutover(database: Pick<Queryable, 'query'>, cutover: NewCutover): Promise<Cutover> {
  const { rows } = await database.query<CutoverRow>({
    text: `insert into kith_cutovers (domain, watch_until, who, why, forced, reasons, max_error_rate, max_empty_rate)
           values ($1::text, now() + $2::float8 * interval '1 minute', $3::text, $4::text, $5::boolean, $6::text[],
                   $7::float8, $8::float8)
           returning ${COLUMNS}`,
    values: [
      cutover.domain,
      cutover.watchMinutes,
      cutover.who,
      cutover.why,
      cutover.forced,
      cutover.reasons,
      cutover.maxErrorRate,
      cutover.maxEmptyRate,
    ],
  });
  return read(rows[0]!);
}

/** Ends the cutover in force; with `id`, only if it is that one. Answers what was ended. */
export async function undoCutover(
  database: Pick<Queryable, 'query'>,
  domain: string,
  author: { readonly who: string; readonly why: string },
  id: string | null,
): Promise<Cutover | null> {
  const { rows } = await database.query<CutoverRow>({
    text: `update kith_cutovers set state = 'rolled-back', ended_at = now(), ended_by = $2::text, ended_why = $3::text
           where domain = $1::text and state <> 'rolled-back' and ($4::bigint is null or id = $4::bigint)
           returning ${COLUMNS}`,
    values: [domain, author.who, author.why, id],
  });
  return rows[0] === undefined ? null : read(rows[0]);
}

/** Whether the last cutover of a domain was undone. */
export async function wasRolledBack(database: Pick<Queryable, 'query'>, domain: string): Promise<boolean> {
  const { rows } = await database.query<{ undone: boolean }>({
    text: `select state = 'rolled-back' as undone from kith_cutovers where domain = $1::text order by id desc limit 1`,
    values: [domain],
  });
  return rows[0]?.undone === true;
}

/** Marks the cutovers as settled whose watch is over. */
export async function settleCutovers(database: Pick<Queryable, 'query'>): Promise<void> {
  await database.query({
    text: `update kith_cutovers set state = 'settled' where state = 'watching' and watch_until <= now()`,
  });
}
