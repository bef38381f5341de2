import { expect, it } from 'vitest';
import { parseConfig } from '#kith/config/config.js';
import { KithError } from '#kith/errors.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { connectionOf } from '../support/database.js';

/** Opens a pool without connecting: the schema is not looked at. */
async function byLibrary(poolSize: number): Promise<number | string> {
  const connection = connectionOf('postgresql://kith@127.0.0.1:1/kith');
  try {
    await using gallery = await openGallery({ location: { kind: 'postgres', connection }, schema: 'any', poolSize });
    return gallery.database.load.limit;
  } catch (error) {
    return error instanceof KithError ? error.code : String(error);
  }
}

function byVariable(poolSize: number): number | string {
  try {
    return parseConfig({ VECTOR_DB_POOL_SIZE: String(poolSize) }).poolSize;
  } catch (error) {
    return error instanceof KithError ? error.code : String(error);
  }
}

it.each([2, 10, 100])('a pool of %i is taken by the variable and by the library', async (size) => {
  expect(byVariable(size)).toBe(size);
  expect(await byLibrary(size)).toBe(size);
});

it.each([0, 1, 101, 500])('a pool of %i is refused by both', async (size) => {
  expect(byVariable(size)).toBe('config-value');
  expect(await byLibrary(size)).toBe('gallery-option');
});
