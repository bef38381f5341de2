import { randomBytes, timingSafeEqual } from 'node:crypto';
import { KithError } from '../errors.js';
import type { Queryable, QueryOptions } from '../gallery/database.js';
import { KeyMemory } from './key-memory.js';
import { keyDigest, makeKey, parseKey, printKey } from './key-text.js';

/** Each may what the ones before it may. */
export const SCOPES = ['recognise', 'enrol', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** A key as anybody may see it: never the key itself. */
export interface KeyInfo {
  readonly id: string;
  readonly scope: Scope;
  /** The one domain that it is for; null: every domain. */
  readonly domain: string | null;
  readonly note: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  /** To the minute. */
  readonly lastUsedAt: Date | null;
}

export interface NewKey {
  readonly scope: Scope;
  readonly domain?: string;
  readonly expiresAt?: Date;
  readonly note?: string;
}

/** Who a request is from. */
export interface Principal {
  readonly id: string;
  /** Whose key it is, as its maker noted it; may be empty. */
  readonly note: string;
  readonly scope: Scope;
  readonly domain: string | null;
}

interface KeyRow {
  readonly id: string;
  readonly scope: Scope;
  readonly domain: string | null;
  readonly note: string;
  readonly sha256: Uint8Array;
  readonly usable: boolean;
}

const COLUMNS = `id, scope, domain, note, created_at as "createdAt", expires_at as "expiresAt",
  revoked_at as "revokedAt", last_used_at as "lastUsedAt"`;
const USABLE = 'revoked_at is null and (expires_at is null or expires_at > now())';
/** While the database is away, a key that it vouched for is good for this long: recognition outlives its database. */
const GRACE_MS = 10 * 60_000;
/** That there is no key at all is asked anew after this long. */
const NONE_MS = 2_000;
const USED_MS = 60_000;

/** Whether a principal may do what needs `scope`, in `domain` (null: in every one). */
export function isAllowed(principal: Principal, scope: Scope, domain: string | null): boolean {
  const enough = SCOPES.indexOf(principal.scope) >= SCOPES.indexOf(scope);
  return enough && (principal.domain === null || principal.domain === domain);
}

/**
 * The API keys of a database. Each request asks the database, so a revoked key is refused on every instance from the
 * next request on.
 */
export class ApiKeys {
  readonly #database: Pick<Queryable, 'query'>;
  readonly #memory: KeyMemory;
  readonly #vouched = new Map<
    string,
    { readonly principal: Principal; readonly digest: Buffer; readonly until: number }
  >();
  readonly #used = new Map<string, number>();
  #noneUntil = 0;

  /** @param memoryFile where the service keeps whether there was a key; without it, only this process remembers */
  constructor(database: Pick<Queryable, 'query'>, memoryFile?: string) {
    this.#database = database;
    this.#memory = new KeyMemory(memoryFile ?? null);
  }

  /** Makes a key; its text is in this answer and nowhere else. */
  async create(key: NewKey): Promise<{ readonly key: string; readonly info: KeyInfo }> {
    const made = makeKey();
    const { rows } = await this.#database.query<KeyInfo>({
      text: `insert into kith_keys (id, scope, domain, sha256, note, expires_at)
        values ($1, $2, $3, $4::bytea, $5, $6) returning ${COLUMNS}`,
      values: [made.id, key.scope, key.domain ?? null, keyDigest(made.secret), key.note ?? '', key.expiresAt ?? null],
    });
    const info = rows[0];
    if (info === undefined) throw new KithError('internal', { what: 'the new key was not returned' });
    this.#noneUntil = 0;
    return { key: printKey(made), info };
  }

  async list(options?: QueryOptions): Promise<readonly KeyInfo[]> {
    const { rows } = await this.#database.query<KeyInfo>(
      { text: `select ${COLUMNS} from kith_keys order by created_at, id` },
      options,
    );
    return rows;
  }

  /** @throws `key-unknown`; revoking a revoked key is no fault */
  async revoke(id: string): Promise<KeyInfo> {
    const { rows } = await this.#database.query<KeyInfo>({
      text: `update kith_keys set revoked_at = coalesce(revoked_at, now()) where id = $1 returning ${COLUMNS}`,
      values: [id],
    });
    const info = rows[0];
    if (info === undefined) throw new KithError('key-unknown', { id });
    this.#vouched.delete(id);
    return info;
  }

  /** Whether there is a key that is neither revoked nor expired. */
  async any(options?: QueryOptions): Promise<boolean> {
    const { rows } = await this.#database.query<{ any: boolean }>(
      { name: 'kith_keys_any', text: `select exists (select from kith_keys where ${USABLE}) as any`, repeatable: true },
      options,
    );
    return rows[0]?.any === true;
  }

  /** As {@link any}; what was known last while the database is away. */
  async anyKnown(): Promise<boolean> {
    try {
      return await this.any();
    } catch (error) {
      const known = isAway(error) ? await this.#memory.get() : null;
      if (known === null) throw error;
      return known;
    }
  }

  /**
   * Who may pass: the principal of a usable key with enough scope, or null where no key exists yet (then the service
   * listens on loopback only). Whether the key is for the domain in question is for {@link isAllowed} to say.
   * @param presented the text of the key, without `Bearer `
   * @throws `key-missing`, `key-refused` (one fault for unknown, wrong, expired and revoked), `key-scope`
   */
  async authenticate(presented: string | null, scope: Scope, options?: QueryOptions): Promise<Principal | null> {
    if (presented === null) {
      if (await this.#none(options)) return null;
      throw new KithError('key-missing', {});
    }
    const principal = await this.#principalOf(presented, options);
    if (principal === null) throw new KithError('key-refused', {});
    if (!isAllowed(principal, scope, principal.domain))
      throw new KithError('key-scope', { has: principal.scope, needs: scope });
    return principal;
  }

  /** As {@link authenticate}, for a request about one domain (null: about all). */
  async authorize(
    presented: string | null,
    scope: Scope,
    domain: string | null,
    options?: QueryOptions,
  ): Promise<Principal | null> {
    const principal = await this.authenticate(presented, scope, options);
    if (principal !== null && !isAllowed(principal, scope, domain))
      throw new KithError('key-scope', { has: `the domain ${principal.domain}`, needs: domain ?? 'every domain' });
    return principal;
  }

  async #none(options?: QueryOptions): Promise<boolean> {
    if (Date.now() < this.#noneUntil) return true;
    try {
      const any = await this.any(options);
      await this.#memory.set(any);
      if (!any) this.#noneUntil = Date.now() + NONE_MS;
      return !any;
    } catch (error) {
      if (isAway(error) && (await this.#memory.get()) === false) return true;
      throw error;
    }
  }

  async #principalOf(presented: string, options?: QueryOptions): Promise<Principal | null> {
    const key = parseKey(presented);
    if (key === null) return null;
    const digest = keyDigest(key.secret);
    try {
      const row = await this.#find(key.id, options);
      // The comparison takes the same time for a key that is not there.
      const equal = timingSafeEqual(digest, row === null ? randomBytes(32) : row.sha256);
      if (row === null || !equal || !row.usable) {
        this.#vouched.delete(key.id);
        return null;
      }
      const principal = { id: row.id, note: row.note, scope: row.scope, domain: row.domain };
      this.#vouched.set(key.id, { principal, digest, until: Date.now() + GRACE_MS });
      this.#noteUse(key.id);
      return principal;
    } catch (error) {
      const vouched = this.#vouched.get(key.id);
      if (vouched === undefined || Date.now() > vouched.until || !isAway(error)) throw error;
      return timingSafeEqual(digest, vouched.digest) ? vouched.principal : null;
    }
  }

  async #find(id: string, options?: QueryOptions): Promise<KeyRow | null> {
    const { rows } = await this.#database.query<KeyRow>(
      {
        name: 'kith_keys_find',
        text: `select id, scope, domain, note, sha256, ${USABLE} as usable from kith_keys where id = $1`,
        values: [id],
        repeatable: true,
      },
      options,
    );
    return rows[0] ?? null;
  }

  /** Off the request's path, and once a minute at most. */
  #noteUse(id: string): void {
    const now = Date.now();
    if (now < (this.#used.get(id) ?? 0)) return;
    this.#used.set(id, now + USED_MS);
    const statement = { text: 'update kith_keys set last_used_at = now() where id = $1', values: [id] };
    // A read-only or absent database must not fail the request; the next use tries again.
    this.#database.query(statement).catch(() => this.#used.delete(id));
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof KithError && (error.code.startsWith('database-') || error.code.startsWith('password-'));
