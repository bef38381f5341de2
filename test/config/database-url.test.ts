import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseDatabaseUrl } from '#kith/config/database-url.js';
import { KithError } from '#kith/errors.js';

const AWKWARD = `a/b=c@d:e%f#g?h'i"j k\\l&m+n[o]ß`;

function faultOf(text: string, environment: Record<string, string> = {}): KithError {
  try {
    parseDatabaseUrl(text, 'VECTOR_DB_URL', environment);
  } catch (error) {
    if (error instanceof KithError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a PostgreSQL URL', () => {
  it('gives back a password full of reserved characters', () => {
    const url = parseDatabaseUrl(`postgresql://kith:${encodeURIComponent(AWKWARD)}@db.example:6432/gallery`, 'x');
    expect(url.password?.reveal()).toBe(AWKWARD);
    expect(url).toMatchObject({ host: 'db.example', port: 6432, user: 'kith', database: 'gallery', sslMode: null });
  });

  it('hides the password from JSON, inspection and templates', () => {
    const url = parseDatabaseUrl('postgres://u:planted-secret@h/d', 'x');
    expect(`${JSON.stringify(url)} ${inspect(url, { depth: 9 })} ${url.password}`).not.toContain('planted-secret');
  });

  it('reads parameters, sockets, IPv6 and the defaults of libpq', () => {
    expect(parseDatabaseUrl('postgres:///d?host=/run/postgresql&user=u', 'x')).toMatchObject({
      host: '/run/postgresql',
      user: 'u',
      port: 5432,
    });
    expect(parseDatabaseUrl('postgres://%2Frun%2Fpostgresql/d', 'x').host).toBe('/run/postgresql');
    expect(parseDatabaseUrl('postgres://u@[::1]:5/d', 'x')).toMatchObject({ host: '::1', port: 5 });
    expect(parseDatabaseUrl('postgres://h', 'x', { PGUSER: 'v', PGDATABASE: 'w', PGPORT: '7' })).toMatchObject({
      user: 'v',
      database: 'w',
      port: 7,
    });
    expect(parseDatabaseUrl('postgres://u@h/d?sslmode=verify-full&sslrootcert=%2Fca.pem', 'x')).toMatchObject({
      sslMode: 'verify-full',
      sslRootCert: '/ca.pem',
    });
  });

  it.each(['/', '=', '@', ':', '#', '?', '%', '[', ' ', '%z'])('says that a raw "%s" is not encoded', (character) => {
    for (const password of [`hu${character}nter`, `${character}hunter`, `12${character}hunter`, `hunter${character}`]) {
      const fault = faultOf(`postgres://kith:${password}@db.example:5432/gallery`);
      expect(fault.code).toBe('config-database-url-encoding');
      expect(JSON.stringify(fault) + inspect(fault)).not.toMatch(/nter/);
    }
  });

  it.each([
    ['another scheme', 'mysql://kith:hunter@h/d'],
    ['an unknown parameter', 'postgres://kith:hunter@h/d?hunter=1'],
    ['an unknown sslmode', 'postgres://kith:hunter@h/d?sslmode=hunter'],
    ['a port that is no number', 'postgres://kith:hunter@h:hunter/d'],
    ['a port too large', 'postgres://kith:hunter@h:70000/d'],
    ['several hosts', 'postgres://kith:hunter@h,i/d'],
  ])('refuses %s without repeating it', (_what, text) => {
    const fault = faultOf(text);
    expect(fault.code).toBe('config-database-url');
    expect(fault.exit).toBe(2);
    expect(JSON.stringify(fault)).not.toContain('hunter');
  });
});
