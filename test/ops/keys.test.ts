import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { KithError } from '#kith/errors.js';
import type { Queryable } from '#kith/gallery/database.js';
import { keyDigest, makeKey, parseKey, printKey } from '#kith/ops/key-text.js';
import { ApiKeys, isAllowed } from '#kith/ops/keys.js';
import { eachBackend } from '../support/database.js';

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return 'none';
  } catch (error) {
    return error instanceof KithError ? error.code : String(error);
  }
};

it('a key is text that can be told apart, and nothing else is one', () => {
  const key = makeKey();
  expect(parseKey(printKey(key))).toEqual(key);
  expect(printKey(key)).toMatch(/^kith_[a-z2-7]{10}_[\w-]{43}$/);
  expect(keyDigest(key.secret)).toHaveLength(32);
  for (const text of ['', 'kith_', printKey(key).slice(0, -1), `${printKey(key)}x`, 'Bearer x'])
    expect(parseKey(text)).toBeNull();
});

it.each([
  ['recognise', null, 'recognise', 'd', true],
  ['recognise', null, 'enrol', 'd', false],
  ['enrol', null, 'recognise', null, true],
  ['admin', 'd', 'admin', 'd', true],
  ['admin', 'd', 'recognise', 'e', false],
  ['admin', 'd', 'recognise', null, false],
] as const)('a key for %s in %s asked for %s in %s: %s', (scope, bound, asked, domain, allowed) => {
  expect(isAllowed({ id: 'x', note: '', scope, domain: bound }, asked, domain)).toBe(allowed);
});

eachBackend('API keys', (backend) => {
  it('are made, listed without their text, used, refused for more, and revoked at once on another instance', async () => {
    const gallery = await backend.gallery();
    const [here, there] = [new ApiKeys(gallery.database), new ApiKeys(gallery.database)];
    expect(await here.authorize(null, 'admin', null)).toBeNull();
    const { key, info } = await here.create({ scope: 'recognise', domain: 'slovenia', note: 'the door' });
    expect(info).toMatchObject({ scope: 'recognise', domain: 'slovenia', note: 'the door', lastUsedAt: null });
    expect(await there.authorize(key, 'recognise', 'slovenia')).toMatchObject({ id: info.id });
    expect(await codeOf(there.authorize(key, 'enrol', 'slovenia'))).toBe('key-scope');
    expect(await codeOf(there.authorize(key, 'recognise', 'croatia'))).toBe('key-scope');
    expect(await codeOf(new ApiKeys(gallery.database).authorize(null, 'recognise', 'slovenia'))).toBe('key-missing');
    expect(
      await codeOf(there.authorize(`${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`, 'recognise', 'slovenia')),
    ).toBe('key-refused');
    expect(await codeOf(there.authorize(printKey(makeKey()), 'recognise', 'slovenia'))).toBe('key-refused');
    const secret = parseKey(key)?.secret ?? '';
    expect(inspect(await here.list(), { depth: 9 })).not.toContain(secret);
    await here.revoke(info.id);
    expect(await codeOf(there.authorize(key, 'recognise', 'slovenia'))).toBe('key-refused');
    expect(await codeOf(here.revoke('aaaaaaaaaa'))).toBe('key-unknown');
  });

  it('end by themselves, and note when they were used', async () => {
    const gallery = await backend.gallery();
    const keys = new ApiKeys(gallery.database);
    const old = await keys.create({ scope: 'admin', expiresAt: new Date(Date.now() - 1_000) });
    expect(await codeOf(keys.authorize(old.key, 'recognise', null))).toBe('key-refused');
    expect(await keys.any()).toBe(false);
    const fresh = await keys.create({ scope: 'admin', expiresAt: new Date(Date.now() + 60_000) });
    await keys.authorize(fresh.key, 'admin', 'anything');
    await expect
      .poll(async () => (await keys.list()).find((key) => key.id === fresh.info.id)?.lastUsedAt)
      .toBeInstanceOf(Date);
  });

  it('keep nothing by which a key could be made again', async () => {
    const gallery = await backend.gallery();
    const { key } = await new ApiKeys(gallery.database).create({ scope: 'admin' });
    const { rows } = await gallery.database.query({ text: 'select * from kith_keys' });
    expect(JSON.stringify(rows)).not.toContain(parseKey(key)?.secret);
    expect((rows[0] as { sha256: Buffer }).sha256).toEqual(keyDigest(parseKey(key)?.secret ?? ''));
  });

  it('are good for a while without the database, if it vouched for them; none passes that it never saw', async () => {
    const gallery = await backend.gallery();
    let away = false;
    const database: Queryable = {
      kind: gallery.database.kind,
      query: (statement, options) => {
        if (away) throw new KithError('database-unreachable', { address: 'here', why: 'it was stopped' });
        return gallery.database.query(statement, options);
      },
      copyIn: (...args) => gallery.database.copyIn(...args),
      copyOut: (...args) => gallery.database.copyOut(...args),
    };
    const keys = new ApiKeys(database);
    const [seen, unseen] = [await keys.create({ scope: 'recognise' }), await keys.create({ scope: 'recognise' })];
    await keys.authorize(seen.key, 'recognise', 'd');
    away = true;
    expect(await keys.authorize(seen.key, 'recognise', 'd')).toMatchObject({ id: seen.info.id });
    expect(await codeOf(keys.authorize(`${seen.key.slice(0, -2)}__`, 'recognise', 'd'))).toBe('key-refused');
    expect(await codeOf(keys.authorize(unseen.key, 'recognise', 'd'))).toBe('database-unreachable');
    expect(await codeOf(keys.authorize(null, 'recognise', 'd'))).toBe('database-unreachable');
  });
});
