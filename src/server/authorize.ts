import type { FastifyInstance, FastifyRequest } from 'fastify';
import { KithError } from '../errors.js';
import type { Author } from '../gallery/domain.js';
import type { ApiKeys, Principal } from '../ops/keys.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose key the request brought; null where the service has no keys (then it listens on loopback only). */
    principal: Principal | null;
  }
}

/** The key of `Authorization: Bearer …`; null when there is none. */
function presentedKey(request: FastifyRequest): string | null {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

/**
 * Asks every route that names a scope for a key with it, before the body is read. Which domain the request is about
 * only its route knows: {@link allowDomain}.
 */
export function authorizeRequests(app: FastifyInstance, keys: ApiKeys): void {
  app.decorateRequest('principal', null);
  app.addHook('onRequest', async (request, reply) => {
    const scope = request.routeOptions.config.operation?.scope;
    if (scope === undefined || scope === null) return;
    try {
      request.principal = await keys.authenticate(presentedKey(request), scope, { signal: request.cancel });
    } catch (error) {
      if (error instanceof KithError && error.status === 401) reply.header('www-authenticate', 'Bearer');
      throw error;
    }
  });
}

/** Throws `key-scope` when the request's key is for another domain. Answers the domain. */
export function allowDomain({ principal }: Pick<FastifyRequest, 'principal'>, domain: string): string {
  if (principal === null || principal.domain === null || principal.domain === domain) return domain;
  throw new KithError('key-scope', { has: `the domain ${principal.domain}`, needs: `the domain ${domain}` });
}

/** Who asks for a change, as the audit keeps it: the key by its id and note, `http` where there are no keys. */
export function requestAuthor({ principal }: Pick<FastifyRequest, 'principal'>, why: string | undefined): Author {
  const note = principal === null || principal.note === '' ? '' : ` (${principal.note})`;
  const who = principal === null ? 'http' : `key ${principal.id}${note}`;
  return why === undefined ? { who } : { who, why };
}

/** The part of a list that the request's key may see. */
export function ofAllowedDomain<T extends { readonly domain: string }>(
  { principal }: Pick<FastifyRequest, 'principal'>,
  items: readonly T[],
): readonly T[] {
  return principal === null || principal.domain === null
    ? items
    : items.filter(({ domain }) => domain === principal.domain);
}
