import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { connectionOfUrl } from '#kith/config/database-connection.js';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';

export interface BenchGallery extends AsyncDisposable {
  readonly gallery: Gallery;
  /** A PostgreSQL database's URL; undefined for the embedded one. */
  readonly url: string | undefined;
}

/** A fresh gallery on the server that KITH_TEST_DATABASE_URL names, dropped at the end. */
export async function serverGallery(): Promise<BenchGallery & { readonly url: string }> {
  const server = process.env.KITH_TEST_DATABASE_URL;
  if (server === undefined)
    throw new Error('set KITH_TEST_DATABASE_URL to a superuser’s URL of a PostgreSQL with pgvector');
  const name = `kith_bench_${randomBytes(4).toString('hex')}`;
  const url = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  await asSuperuser(server, `create database ${name}`);
  const location = { kind: 'postgres', connection: await connectionOfUrl(url) } as const;
  const gallery = await openGallery({ location, schema: 'migrate', poolSize: 32 });
  return {
    gallery,
    url,
    [Symbol.asyncDispose]: async () => {
      await gallery.close();
      await asSuperuser(server, `drop database if exists ${name} with (force)`);
    },
  };
}

/** A fresh embedded gallery in a folder that is removed at the end. */
export async function embeddedGallery(): Promise<BenchGallery & { readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'kith-bench-'));
  const gallery = await openGallery({ location: { kind: 'embedded', folder }, schema: 'migrate' });
  return {
    gallery,
    url: undefined,
    folder,
    [Symbol.asyncDispose]: async () => {
      await gallery.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function asSuperuser(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(statement);
  await client.end();
}
