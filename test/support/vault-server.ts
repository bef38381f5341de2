import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/**
 * A small server that speaks the documented part of Vault's HTTP API that Kith uses: AppRole login, token lookup and
 * renewal, KV version 2 reads; with expiring tokens, a sealed state, policies by path, and Vault's own error bodies.
 */
export class VaultServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #tokens = new Map<string, { expires: number; ttl: number; renewable: boolean; paths: readonly string[] }>();
  readonly #roles = new Map<string, { secretId: string; ttl: number; paths: readonly string[] }>();
  readonly #secrets = new Map<string, { data: Record<string, string>; version: number } | 'deleted'>();
  sealed = false;
  address = '';
  readonly calls: string[] = [];

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no address');
    this.address = `http://127.0.0.1:${address.port}`;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  grant(token: string, options: { ttl?: number; renewable?: boolean; paths?: readonly string[] } = {}): void {
    const { ttl = 0, renewable = false, paths = [''] } = options;
    this.#tokens.set(token, {
      expires: ttl === 0 ? Number.POSITIVE_INFINITY : Date.now() + ttl * 1000,
      ttl,
      renewable,
      paths,
    });
  }

  revokeAll(): void {
    this.#tokens.clear();
  }

  role(roleId: string, secretId: string, options: { ttl: number; paths?: readonly string[] }): void {
    this.#roles.set(roleId, { secretId, ttl: options.ttl, paths: options.paths ?? [''] });
  }

  put(path: string, data: Record<string, string>): void {
    const before = this.#secrets.get(path);
    this.#secrets.set(path, { data, version: before === undefined || before === 'deleted' ? 1 : before.version + 1 });
  }

  deleteNewest(path: string): void {
    this.#secrets.set(path, 'deleted');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>);
    const path = (request.url ?? '').replace(/^\/v1\//, '');
    this.calls.push(`${request.method} ${path}`);
    const [status, answer] = this.sealed
      ? [503, { errors: ['Vault is sealed'] }]
      : this.#route(request.method ?? '', path, body, String(request.headers['x-vault-token'] ?? ''));
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  }

  #route(method: string, path: string, body: Record<string, string>, token: string): [number, object] {
    if (method === 'POST' && path === 'auth/approle/login') return this.#login(body);
    const held = this.#tokens.get(token);
    if (held === undefined || held.expires < Date.now()) return [403, { errors: ['permission denied'] }];
    if (method === 'GET' && path === 'auth/token/lookup-self')
      return [200, { data: { ttl: held.ttl, renewable: held.renewable } }];
    if (method === 'POST' && path === 'auth/token/renew-self') return this.#renew(token, held);
    if (!held.paths.some((prefix) => path.startsWith(prefix)))
      return [403, { errors: ['1 error occurred:\n\t* permission denied\n\n'] }];
    const secret = this.#secrets.get(path);
    if (method !== 'GET' || secret === undefined) return [404, { errors: [] }];
    if (secret === 'deleted')
      return [404, { data: { data: null, metadata: { deletion_time: '2026-01-01T00:00:00Z' } } }];
    return [200, { data: { data: secret.data, metadata: { version: secret.version, destroyed: false } } }];
  }

  #login(body: Record<string, string>): [number, object] {
    const role = this.#roles.get(body.role_id ?? '');
    if (role === undefined || role.secretId !== body.secret_id) return [400, { errors: ['invalid role or secret ID'] }];
    const token = `hvs.${randomUUID()}`;
    this.grant(token, { ttl: role.ttl, renewable: true, paths: role.paths });
    return [200, { auth: { client_token: token, lease_duration: role.ttl, renewable: true } }];
  }

  #renew(token: string, held: { ttl: number; renewable: boolean; paths: readonly string[] }): [number, object] {
    if (!held.renewable) return [400, { errors: ['lease is not renewable'] }];
    this.grant(token, held);
    return [200, { auth: { client_token: token, lease_duration: held.ttl, renewable: true } }];
  }
}
