import { KithError } from '../errors.js';
import type { Queryable, QueryOptions } from './database.js';
import type { Author } from './domain.js';
import type { Page, PageRequest } from './person.js';
import { pageLimit, pageOf } from './person-store.js';

export interface AuditEntry {
  readonly domain: string | null;
  readonly action: string;
  readonly author: Author;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Writes a line of the audit. */
export async function writeAudit(database: Queryable, { domain, action, author, details }: AuditEntry): Promise<void> {
  await database.query({
    text: 'insert into kith_audit (domain, action, who, why, details) values ($1, $2, $3, $4, $5)',
    values: [domain, action, author.who, author.why ?? null, JSON.stringify(details ?? {})],
  });
}

/** A line of the audit as it is kept. */
export interface AuditRecord {
  readonly id: string;
  readonly at: Date;
  /** Null: it was about no single domain. */
  readonly domain: string | null;
  readonly action: string;
  readonly who: string;
  readonly why: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface AuditRequest extends PageRequest {
  /** Only what was done to this domain; it may be gone by now. */
  readonly domain?: string;
}

/** The line before which a page starts. Throws `gallery-option`. */
function pageStart({ after }: AuditRequest): string | null {
  if (after === undefined || /^\d{1,18}$/.test(after)) return after ?? null;
  const given = JSON.stringify(after.slice(0, 40));
  throw new KithError('gallery-option', { option: 'after', allowed: 'the "next" of a page', given });
}

const READ = `select id::text as id, at, domain, action, who, why, details from kith_audit
  where ($1::text is null or domain = $1::text) and ($2::bigint is null or kith_audit.id < $2::bigint)
  order by kith_audit.id desc limit $3::int`;

/** The audit, newest first; a page's `next` is where the older ones begin. */
export async function readAudit(
  database: Queryable,
  request: AuditRequest = {},
  options?: QueryOptions,
): Promise<Page<AuditRecord>> {
  const limit = pageLimit(request);
  const { rows } = await database.query<AuditRecord>(
    { text: READ, values: [request.domain ?? null, pageStart(request), limit + 1], repeatable: true },
    options,
  );
  return pageOf(rows, limit, (row) => row);
}
