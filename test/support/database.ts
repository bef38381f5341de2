import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, describe, it } from 'vitest';
import type { DatabaseLocation, ServerConnection } from '#kith/gallery/connection.js';
import type { GalleryOptions } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';

/** A superuser's URL of a real PostgreSQL with pgvector, or undefined; then tests run on the embedded database only. */
export const SERVER_URL: string | undefined = process.env.KITH_TEST_DATABASE_URL;

export interface TestDatabase {
  readonly location: DatabaseLocation;
  /** The URL of a PostgreSQL database; undefined for an embedded one. */
  readonly url: string | undefined;
  drop(): Promise<void>;
}

/** What a fresh database holds: nothing, the pgvector extension, or Kith's schema at its newest version. */
export type Contents = 'nothing' | 'extension' | 'schema';

export function connectionOf(url: string): ServerConnection {
  const { hostname: host, port, username, password, pathname } = new URL(url);
  return {
    host,
    port: Number(port || 5432),
    user: decodeURIComponent(username),
    database: decodeURIComponent(pathname.slice(1)),
    password: async () => decodeURIComponent(password),
  };
}

/** Statements on the server as its superuser, one after the other. */
export async function asSuperuser(url: string, ...statements: string[]): Promise<pg.QueryResult[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const results: pg.QueryResult[] = [];
    for (const statement of statements) results.push(await client.query(statement));
    return results;
  } finally {
    await client.end();
  }
}

const migrate = async (location: DatabaseLocation): Promise<void> =>
  (await openGallery({ location, schema: 'migrate' })).close();

const templates = new Map<string, Promise<string>>();
const leftovers: (() => Promise<void>)[] = [];

/** Made once per test file, then copied: migrating takes longer than copying. */
function template(key: string, make: () => Promise<string>): Promise<string> {
  const known = templates.get(key);
  if (known !== undefined) return known;
  const made = make();
  templates.set(key, made);
  return made;
}

const urlOf = (server: string, database: string): string =>
  Object.assign(new URL(server), { pathname: `/${database}` }).href;

async function createDatabase(server: string, contents: Contents): Promise<string> {
  const name = `kith_test_${randomBytes(6).toString('hex')}`;
  await asSuperuser(server, `create database ${name}`);
  const url = urlOf(server, name);
  if (contents === 'extension') await asSuperuser(url, 'create extension vector');
  if (contents === 'schema') await migrate({ kind: 'postgres', connection: connectionOf(url) });
  return name;
}

export async function serverDatabase(contents: Contents = 'schema', server = SERVER_URL!): Promise<TestDatabase> {
  const source = await template(`${server} ${contents}`, async () => {
    const name = await createDatabase(server, contents);
    leftovers.push(async () => void (await asSuperuser(server, `drop database if exists ${name} with (force)`)));
    return name;
  });
  const name = `kith_test_${randomBytes(6).toString('hex')}`;
  await asSuperuser(server, `create database ${name} template ${source}`);
  const url = urlOf(server, name);
  return {
    url,
    location: { kind: 'postgres', connection: connectionOf(url) },
    drop: async () => void (await asSuperuser(server, `drop database if exists ${name} with (force)`)),
  };
}

export async function embeddedDatabase(contents: Contents = 'schema'): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'kith-test-'));
  if (contents === 'schema') {
    const source = await template('embedded', async () => {
      const made = mkdtempSync(join(tmpdir(), 'kith-test-'));
      leftovers.push(async () => rmSync(made, { recursive: true, force: true }));
      await migrate({ kind: 'embedded', folder: made });
      return made;
    });
    cpSync(join(source, 'postgres'), join(folder, 'postgres'), { recursive: true });
  }
  return {
    url: undefined,
    location: { kind: 'embedded', folder },
    drop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function dropTemplates(): Promise<void> {
  for (const drop of leftovers.splice(0)) await drop();
  templates.clear();
}

export interface Backend {
  readonly kind: DatabaseLocation['kind'];
  /** A database of its own, dropped when the tests of this backend are over. */
  fresh(contents?: Contents): Promise<TestDatabase>;
  /** The same with its gallery open, closed at the end. */
  gallery(options?: Partial<GalleryOptions>): Promise<Awaited<ReturnType<typeof openGallery>>>;
}

function backend(kind: Backend['kind'], cleanUp: (() => Promise<unknown>)[]): Backend {
  const fresh = async (contents?: Contents): Promise<TestDatabase> => {
    const database = await (kind === 'postgres' ? serverDatabase(contents) : embeddedDatabase(contents));
    cleanUp.push(database.drop);
    return database;
  };
  return {
    kind,
    fresh,
    gallery: async (options) => {
      const gallery = await openGallery({ location: (await fresh()).location, ...options });
      cleanUp.push(() => gallery.close());
      return gallery;
    },
  };
}

/** Says once per file that the real server is missing: nothing is left out silently. */
export function sayWithoutServer(what: string): void {
  console.log(`KITH_TEST_DATABASE_URL is not set: ${what} runs on the embedded database only`);
}

/** Declares tests for the embedded database, and for a real PostgreSQL where KITH_TEST_DATABASE_URL names one. */
export function eachBackend(name: string, declare: (backend: Backend) => void): void {
  const kinds: Backend['kind'][] = SERVER_URL === undefined ? ['embedded'] : ['embedded', 'postgres'];
  if (SERVER_URL === undefined) sayWithoutServer(name);
  for (const kind of kinds)
    describe(`${name} (${kind})`, () => {
      const cleanUp: (() => Promise<unknown>)[] = [];
      afterAll(async () => {
        for (const clean of cleanUp.splice(0).reverse()) await clean();
        await dropTemplates();
      });
      declare(backend(kind, cleanUp));
    });
}

/** Declares tests that need a real PostgreSQL; without one, says that they are left out. */
export function onServer(name: string, declare: (server: string) => void): void {
  if (SERVER_URL === undefined) {
    console.log(`KITH_TEST_DATABASE_URL is not set: left out: ${name}`);
    describe.skip(name, () => it('needs a real PostgreSQL', () => undefined));
    return;
  }
  const url = SERVER_URL;
  describe(name, () => {
    afterAll(dropTemplates);
    declare(url);
  });
}
