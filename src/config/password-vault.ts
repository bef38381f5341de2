import { homedir } from 'node:os';
import { join } from 'node:path';
import { KithError } from '../errors.js';
import type { Environment } from './environment.js';
import { readSecretFile, Secret } from './secret.js';
import { VaultClient, type VaultSettings } from './vault-client.js';

/** `vault:<mount>/<path>#<field>`, such as `vault:secret/kith/database#password`. */
export interface VaultReference {
  readonly mount: string;
  readonly path: string;
  readonly field: string;
}

/** @throws `vault-reference` */
export function parseVaultReference(text: string, source: string): VaultReference {
  // A reference copied from the API's path has "data/" in it; the client adds that by itself.
  const match = /^vault:(?<mount>[^/#]+)\/(?:data\/)?(?<path>[^#]+)#(?<field>[^#]+)$/.exec(text.trim())?.groups;
  if (match === undefined) throw new KithError('vault-reference', { source });
  return { mount: match.mount ?? '', path: match.path ?? '', field: match.field ?? '' };
}

async function secretFrom(environment: Environment, name: string): Promise<Secret | null> {
  const value = environment[name];
  if (value !== undefined && value !== '') return new Secret(value);
  const file = environment[`${name}_FILE`];
  if (file === undefined || file === '') return null;
  return readSecretFile(file);
}

/**
 * Vault's address and login from Vault's own variables: `VAULT_ADDR`, `VAULT_NAMESPACE`, `VAULT_CACERT`, and either
 * `VAULT_ROLE_ID` with `VAULT_SECRET_ID` (AppRole), or `VAULT_TOKEN`, or `~/.vault-token`. Secrets also by `…_FILE`.
 * @throws `vault-settings`, `secret-file`
 */
export async function readVaultSettings(environment: Environment): Promise<VaultSettings> {
  const address = environment.VAULT_ADDR ?? '';
  if (!/^https?:\/\/[^\s/]/.test(address))
    throw new KithError('vault-settings', { why: 'VAULT_ADDR must be an http:// or https:// address' });
  const common = { address, namespace: environment.VAULT_NAMESPACE || null, caFile: environment.VAULT_CACERT || null };
  const roleId = environment.VAULT_ROLE_ID;
  if (roleId !== undefined && roleId !== '') {
    const secretId = await secretFrom(environment, 'VAULT_SECRET_ID');
    if (secretId === null)
      throw new KithError('vault-settings', { why: 'VAULT_ROLE_ID needs VAULT_SECRET_ID or VAULT_SECRET_ID_FILE' });
    return {
      ...common,
      login: { kind: 'approle', roleId, secretId, mount: environment.VAULT_APPROLE_MOUNT || 'approle' },
    };
  }
  const token =
    (await secretFrom(environment, 'VAULT_TOKEN')) ??
    (await readSecretFile(join(environment.HOME ?? homedir(), '.vault-token')).catch(() => null));
  if (token === null)
    throw new KithError('vault-settings', {
      why: 'no login: set VAULT_TOKEN, VAULT_TOKEN_FILE, or VAULT_ROLE_ID with VAULT_SECRET_ID',
    });
  return { ...common, login: { kind: 'token', token } };
}

/** A read value is kept this long: a rotated password is noticed within it, and a burst of connections asks once. */
const KEEP_MS = 60_000;
/** The token is renewed when this share of its life has passed, whether or not anyone asks for a password. */
const RENEW_AT = 2 / 3;
const RETRY_MS = 10_000;

/**
 * A text kept in Vault, read when asked for and kept for a minute.
 *
 * The token: none → (login) → valid → (2/3 of its life) → renewed, or a new login when it cannot be renewed.
 * While Vault cannot be reached, the last text read goes on being given: a running service does not need Vault.
 */
export class VaultSecret implements Disposable {
  readonly #client: VaultClient;
  readonly #reference: VaultReference;
  readonly #keepMs: number;
  #token: Promise<Secret> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #kept: { readonly secret: Secret; readonly until: number } | null = null;
  #reading: Promise<Secret> | null = null;

  constructor(settings: VaultSettings, reference: VaultReference, keepMs = KEEP_MS) {
    this.#client = new VaultClient(settings);
    this.#reference = reference;
    this.#keepMs = keepMs;
  }

  /** @throws `vault-unreachable`, `vault-denied`, `vault-secret` when there is no earlier value to go on with */
  async get(): Promise<Secret> {
    const kept = this.#kept;
    if (kept !== null && Date.now() < kept.until) return kept.secret;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    try {
      return await this.#reading;
    } catch (error) {
      if (kept !== null && error instanceof KithError && error.code === 'vault-unreachable') return kept.secret;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  async #read(): Promise<Secret> {
    const { mount, path, field } = this.#reference;
    const secret = await this.#withToken((token) => this.#client.read(token, mount, path, field));
    this.#kept = { secret, until: Date.now() + this.#keepMs };
    return secret;
  }

  /** A token may have been revoked since: a refusal is tried once more with a fresh login. */
  async #withToken<T>(use: (token: Secret) => Promise<T>): Promise<T> {
    const had = this.#token !== null;
    try {
      return await use(await this.#validToken());
    } catch (error) {
      if (!had || !(error instanceof KithError) || error.code !== 'vault-denied') throw error;
      this.#token = null;
      return use(await this.#validToken());
    }
  }

  #validToken(): Promise<Secret> {
    this.#token ??= this.#client.login().then((granted) => {
      this.#scheduleRenewal(granted);
      return granted.token;
    });
    this.#token.catch(() => {
      this.#token = null;
    });
    return this.#token;
  }

  #scheduleRenewal(granted: { token: Secret; ttl: number; renewable: boolean }): void {
    clearTimeout(this.#timer);
    if (granted.ttl <= 0) return;
    this.#timer = setTimeout(() => void this.#renew(granted), Math.min(granted.ttl * RENEW_AT * 1_000, 2 ** 31 - 1));
    this.#timer.unref();
  }

  async #renew(old: { token: Secret; ttl: number; renewable: boolean }): Promise<void> {
    try {
      const granted = old.renewable ? await this.#client.renew(old.token) : await this.#client.login();
      // At its maximum life Vault renews by less than was asked; a fresh login then comes before the end.
      const fresh = old.renewable && granted.ttl < old.ttl / 2 ? await this.#client.login() : granted;
      this.#token = Promise.resolve(fresh.token);
      this.#scheduleRenewal(fresh);
    } catch (error) {
      if (error instanceof KithError && error.code === 'vault-denied') this.#token = null;
      else {
        this.#timer = setTimeout(() => void this.#renew(old), RETRY_MS);
        this.#timer.unref();
      }
    }
  }
}

/** A reader of the text that a reference names; it lives as long as the process. @throws `vault-reference`, `vault-settings` */
export async function openVaultSecret(
  reference: Secret,
  source: string,
  environment: Environment,
): Promise<() => Promise<Secret>> {
  const parsed = parseVaultReference(reference.reveal(), source);
  const secret = new VaultSecret(await readVaultSettings(environment), parsed);
  return () => secret.get();
}
