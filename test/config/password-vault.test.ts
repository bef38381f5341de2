import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseVaultReference, readVaultSettings, VaultSecret } from '#kith/config/password-vault.js';
import { Secret } from '#kith/config/secret.js';
import type { VaultSettings } from '#kith/config/vault-client.js';
import { KithError } from '#kith/errors.js';
import { VaultServer } from '../support/vault-server.js';

let vault: VaultServer;
const open: VaultSecret[] = [];

beforeEach(async () => {
  vault = await new VaultServer().start();
  vault.put('secret/data/kith', { password: 'first', empty: '' });
});

afterEach(async () => {
  for (const secret of open.splice(0)) secret[Symbol.dispose]();
  await vault[Symbol.asyncDispose]();
});

type Login = VaultSettings['login'];
const token = (text = 'planted-token'): Login => ({ kind: 'token', token: new Secret(text) });
const approle = (secretId = 'planted-secret-id'): Login => ({
  kind: 'approle',
  roleId: 'role',
  secretId: new Secret(secretId),
  mount: 'approle',
});

function secretAt(login: Login, reference = 'vault:secret/kith#password', keepMs = 0): VaultSecret {
  const settings = { address: vault.address, namespace: null, caFile: null, login };
  const secret = new VaultSecret(settings, parseVaultReference(reference, 'PGPASSWORD'), keepMs);
  open.push(secret);
  return secret;
}

async function faultOf(secret: VaultSecret): Promise<KithError> {
  try {
    await secret.get();
  } catch (error) {
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/planted|first/);
    if (error instanceof KithError) return error;
    throw error;
  }
  throw new Error('it was given');
}

describe('a secret in Vault', () => {
  it('is read once for a burst, and again when it was kept long enough', async () => {
    vault.grant('planted-token');
    const secret = secretAt(token(), 'vault:secret/kith#password', 200);
    const all = await Promise.all(Array.from({ length: 5 }, () => secret.get()));
    expect(all.map((text) => text.reveal())).toEqual(Array(5).fill('first'));
    vault.put('secret/data/kith', { password: 'rotated' });
    expect((await secret.get()).reveal()).toBe('first');
    await sleep(250);
    expect((await secret.get()).reveal()).toBe('rotated');
    expect(vault.calls.filter((call) => call === 'GET secret/data/kith')).toHaveLength(2);
  });

  it('has its token renewed before it runs out, with nobody asking', async () => {
    vault.grant('planted-token', { ttl: 1, renewable: true });
    const secret = secretAt(token());
    await secret.get();
    await sleep(1_600);
    expect(vault.calls.filter((call) => call === 'POST auth/token/renew-self').length).toBeGreaterThanOrEqual(2);
    expect((await secret.get()).reveal()).toBe('first');
  });

  it('logs in again with AppRole after its token was revoked', async () => {
    vault.role('role', 'planted-secret-id', { ttl: 600 });
    const secret = secretAt(approle());
    await secret.get();
    vault.revokeAll();
    expect((await secret.get()).reveal()).toBe('first');
    expect(vault.calls.filter((call) => call === 'POST auth/approle/login')).toHaveLength(2);
  });

  it('goes on with what it read last while Vault is sealed or away', async () => {
    vault.grant('planted-token');
    const secret = secretAt(token());
    await secret.get();
    vault.sealed = true;
    expect((await secret.get()).reveal()).toBe('first');
    await vault[Symbol.asyncDispose]();
    expect((await secret.get()).reveal()).toBe('first');
    vault = await new VaultServer().start();
  });
});

describe('what Vault does not give', () => {
  it('a wrong token, role or policy', async () => {
    expect((await faultOf(secretAt(token()))).code).toBe('vault-denied');
    const role = await faultOf(secretAt(approle()));
    expect(role.message).toContain('invalid role or secret ID');
    vault.grant('planted-token', { paths: ['secret/data/other'] });
    const policy = await faultOf(secretAt(token()));
    expect(policy.message).toContain('secret/data/kith');
    expect(policy.message).toContain('permission denied');
  });

  it('an absent secret, an absent or empty field, a deleted version, a mount of version 1', async () => {
    vault.grant('planted-token');
    expect((await faultOf(secretAt(token(), 'vault:secret/none#password'))).code).toBe('vault-secret');
    expect((await faultOf(secretAt(token(), 'vault:secret/kith#none'))).message).toContain('"none"');
    expect((await faultOf(secretAt(token(), 'vault:secret/kith#empty'))).code).toBe('vault-secret');
    vault.deleteNewest('secret/data/kith');
    expect((await faultOf(secretAt(token()))).message).toContain('deleted');
  });

  it('a sealed or absent server, with nothing read before', async () => {
    vault.grant('planted-token');
    vault.sealed = true;
    expect((await faultOf(secretAt(token()))).message).toContain('sealed');
    await vault[Symbol.asyncDispose]();
    const away = await faultOf(secretAt(token()));
    expect(away.code).toBe('vault-unreachable');
    expect(away.message).toContain('ECONNREFUSED');
    vault = await new VaultServer().start();
  });
});

describe('references and settings', () => {
  it('reads mount, path and field, with or without the data/ of the API', () => {
    const expected = { mount: 'kv', path: 'team/kith', field: 'password' };
    expect(parseVaultReference('vault:kv/team/kith#password', 'x')).toEqual(expected);
    expect(parseVaultReference('vault:kv/data/team/kith#password', 'x')).toEqual(expected);
  });

  it.each(['vault:', 'vault:secret', 'vault:secret/kith', 'vault:secret/kith#', 'vault:/kith#p'])(
    'refuses %s',
    (text) => {
      expect(() => parseVaultReference(text, 'PGPASSWORD')).toThrow(
        expect.objectContaining({ code: 'vault-reference' }),
      );
    },
  );

  it.each([
    [{}, 'VAULT_ADDR'],
    [{ VAULT_ADDR: 'vault.example:8200' }, 'VAULT_ADDR'],
    [{ VAULT_ADDR: 'http://v', HOME: '/nowhere' }, 'VAULT_TOKEN'],
    [{ VAULT_ADDR: 'http://v', VAULT_ROLE_ID: 'r' }, 'VAULT_SECRET_ID'],
  ])('says what is missing of %o', async (environment, missing) => {
    await expect(readVaultSettings(environment)).rejects.toThrow(missing);
  });
});
