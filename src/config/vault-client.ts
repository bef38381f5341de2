import { KithError } from '../errors.js';
import { Secret } from './secret.js';
import { callVault, type VaultReply } from './vault-http.js';

/** Where Vault is and how Kith shows itself there. Names of the variables as Vault's own tools have them. */
export interface VaultSettings {
  /** `VAULT_ADDR` */
  readonly address: string;
  /** `VAULT_NAMESPACE` */
  readonly namespace: string | null;
  /** `VAULT_CACERT`: path of a PEM file. */
  readonly caFile: string | null;
  readonly login:
    | { readonly kind: 'token'; readonly token: Secret }
    | { readonly kind: 'approle'; readonly roleId: string; readonly secretId: Secret; readonly mount: string };
}

interface Token {
  readonly token: Secret;
  /** Seconds the token lives from now; 0: for ever. */
  readonly ttl: number;
  readonly renewable: boolean;
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;

/** Calls Vault's HTTP API, version 1. Its faults name the path and Vault's own words, never a token or a value. */
export class VaultClient {
  readonly #settings: VaultSettings;

  constructor(settings: VaultSettings) {
    this.#settings = settings;
  }

  /** A fresh token: AppRole logs in; a given token is looked up for its lifetime. */
  async login(): Promise<Token> {
    const { login } = this.#settings;
    if (login.kind === 'token') return this.#lookUp(login.token);
    const body = { role_id: login.roleId, secret_id: login.secretId.reveal() };
    const reply = await this.#call('POST', `auth/${login.mount}/login`, null, body);
    return this.#tokenOf(reply, `auth/${login.mount}/login`);
  }

  async renew(token: Secret): Promise<Token> {
    return this.#tokenOf(await this.#call('POST', 'auth/token/renew-self', token, {}), 'auth/token/renew-self');
  }

  /** One field of a KV version 2 secret's newest version. */
  async read(token: Secret, mount: string, path: string, name: string): Promise<Secret> {
    const place = `${mount}/data/${path}`;
    const reply = await this.#call('GET', place, token);
    if (reply.status === 404)
      throw new KithError('vault-secret', {
        path: place,
        why: 'there is no such secret, its newest version was deleted, or the mount is KV version 1',
      });
    this.#expectOk(reply, place);
    const data = field(field(reply.body, 'data'), 'data');
    if (typeof data !== 'object' || data === null)
      throw new KithError('vault-secret', {
        path: place,
        why: 'the answer has no data.data: is the mount KV version 2?',
      });
    const value = field(data, name);
    if (typeof value !== 'string' || value === '')
      throw new KithError('vault-secret', { path: place, why: `it has no text in its field "${name}"` });
    return new Secret(value);
  }

  async #lookUp(token: Secret): Promise<Token> {
    const reply = await this.#call('GET', 'auth/token/lookup-self', token);
    this.#expectOk(reply, 'auth/token/lookup-self');
    const data = field(reply.body, 'data');
    return { token, ttl: Number(field(data, 'ttl') ?? 0), renewable: field(data, 'renewable') === true };
  }

  #tokenOf(reply: VaultReply, path: string): Token {
    this.#expectOk(reply, path);
    const auth = field(reply.body, 'auth');
    const token = field(auth, 'client_token');
    if (typeof token !== 'string')
      throw new KithError('vault-secret', { path, why: 'the answer has no auth.client_token' });
    return {
      token: new Secret(token),
      ttl: Number(field(auth, 'lease_duration') ?? 0),
      renewable: field(auth, 'renewable') === true,
    };
  }

  #expectOk(reply: VaultReply, path: string): void {
    if (reply.status === 200) return;
    const words = field(reply.body, 'errors');
    const said = Array.isArray(words)
      ? words.filter((word): word is string => typeof word === 'string').join('; ')
      : '';
    const why = said.replace(/\s+/g, ' ').slice(0, 200) || 'no reason given';
    if (reply.status === 400 || reply.status === 403)
      throw new KithError('vault-denied', { path, status: reply.status, why });
    throw new KithError('vault-unreachable', {
      address: this.#settings.address,
      why: `it answered ${reply.status} (${reply.status === 503 ? 'sealed or in maintenance' : why})`,
    });
  }

  #call(method: 'GET' | 'POST', path: string, token: Secret | null, body?: object): Promise<VaultReply> {
    const { address, namespace, caFile } = this.#settings;
    return callVault({ address, namespace, caFile, method, path, token, ...(body === undefined ? {} : { body }) });
  }
}
