import { describe, expect, it } from 'vitest';
import { parseConfig } from '#kith/config/config.js';
import { KithError } from '#kith/errors.js';

const fault = (env: Record<string, string>): KithError => {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof KithError) return error;
    throw error;
  }
  throw new Error('no fault was thrown');
};

describe('the configuration', () => {
  it('has the documented defaults when nothing is set, and is frozen', () => {
    const config = parseConfig({});
    expect(config).toMatchObject({ databaseUrl: null, host: '127.0.0.1', port: 5001, data: 'data', enabled: null });
    expect(config.storage).toBe('storage/recognized_faces_prod');
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('takes an empty value for unset', () => {
    expect(parseConfig({ KITH_PORT: '', VECTOR_DB_URL: ' ' })).toMatchObject({ port: 5001, databaseUrl: null });
  });

  it.each([
    ['KITH_PORT', '99999', 'a whole number from 0 to 65535'],
    ['KITH_PORT', '5001.5', 'a whole number from 0 to 65535'],
    ['KITH_PORT', '0x1F', 'a whole number from 0 to 65535'],
    ['VECTOR_DB_ENABLED', 'maybe', 'true or false'],
    ['KITH_DEVICE', 'tpu', 'one of cpu, cuda, coreml, dml'],
    ['KITH_MARGIN', '-1', 'a number from 0 to 2'],
    ['KITH_DATA', 'a\u0000b', 'a text without control characters'],
  ])('refuses %s=%s, naming variable, allowed and given', (variable, given, allowed) => {
    const error = fault({ [variable]: given });
    expect(error).toMatchObject({ code: 'config-value', exit: 2 });
    expect(error.message).toBe(`${variable} must be ${allowed}, and ${JSON.stringify(given)} was given`);
  });

  it.each(['true', 'TRUE', '1', 'yes', 'on'])('reads %s as true', (given) => {
    expect(parseConfig({ VECTOR_DB_DUAL_MODE: given }).dualMode).toBe(true);
  });

  it.each([
    'postgresql://kith:pa/ss@db/x',
    'postgresql://kith:pa=ss@db/x',
    'postgres://kith:p@ss@db/x',
    'postgresql://kith:pa:ss#1@db/x',
    'postgresql://kith:50%@db/x',
    'postgresql://kith:what?@db/x',
  ])('asks for a percent-encoded password in %s without printing it', (url) => {
    const error = fault({ VECTOR_DB_URL: url });
    const password = /:\/\/kith:(.*)@/.exec(url)?.[1] ?? '';
    expect(error.code).toBe('config-database-url-encoding');
    expect(JSON.stringify(error)).not.toContain(password);
  });

  it.each([
    'postgresql://kith:pa%2Fss%3D@db:5433/x?sslmode=verify-full',
    'postgresql://db/x',
    'postgres://kith@[::1]:5432/x',
    'postgresql:///x?host=/var/run/postgresql',
  ])('takes %s as it is', (url) => {
    expect(parseConfig({ VECTOR_DB_URL: url }).databaseUrl).toBe(url);
  });

  it('refuses a URL of another scheme without repeating it', () => {
    const error = fault({ VECTOR_DB_URL: 'mysql://root:secret@db/x' });
    expect(error.code).toBe('config-database-url');
    expect(JSON.stringify(error)).not.toContain('secret');
  });
});
