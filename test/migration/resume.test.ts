import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { expect, it } from 'vitest';
import type { DatabaseLocation } from '#kith/gallery/connection.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { asSuperuser, connectionOf, embeddedDatabase, onServer, serverDatabase } from '../support/database.js';
import { makeRows, temporaryStorage, writeDomain } from '../support/domain-folder.js';
import { kith, startKith } from '../support/kith.js';
import { type Cluster, startCluster } from '../support/postgres-cluster.js';

const ROWS = 3000;

/** What a migration leaves, without ids (a killed one uses some up) and times. */
async function contents(location: DatabaseLocation): Promise<unknown> {
  await using gallery = await openGallery({ location });
  const { rows } = await gallery.database.query({
    text: `
      select (select count(*)::integer from persons) as persons,
             (select md5(string_agg(concat_ws('|', name, image_path, embedding, box_x, legacy_hash, datastore_row, flags), ',' order by image_path))
              from face_embeddings join persons on persons.id = person_id) as faces,
             (select string_agg(indexdef, ',' order by indexdef) from pg_indexes where tablename like 'face_embeddings%') as indexes,
             (select count(*)::integer from pg_index where not indisvalid) as broken,
             (select count(*)::integer from kith_pending_indexes) as pending,
             (select count(*)::integer from kith_datastore_rows) as kept`,
  });
  return rows[0];
}

async function storageWithDomain(rows: number): Promise<string> {
  const storage = temporaryStorage();
  const made = makeRows('slovenia', { rows, persons: 300 });
  made[rows - 1]!.embedding = null;
  await writeDomain(storage, 'slovenia', made);
  return storage;
}

const migrateToTheEnd = async (env: Record<string, string>, rows: number): Promise<void> => {
  const ended = await kith(['migrate', '--domain', 'slovenia', '--json'], { env });
  expect(ended.stderr).toBe('');
  const [report] = JSON.parse(ended.stdout);
  expect(report).toMatchObject({ rows, validated: { ok: rows - 1, missing: 0, extra: 0, different: 0 } });
  expect(report.migrated + report.unchanged).toBe(rows - 1);
};

const MOMENTS: readonly (readonly [string, RegExp])[] = [
  ['while the stage is filled', /^copy "kith_stage"/],
  ['while the rows are written', /insert into "face_embeddings"/],
  ['while every vector is validated', /with judged as/],
  ['while the index is built', /^CREATE INDEX/],
];

/** Ends when the migration's backend runs a statement; answers the backend, or null when the migration was faster. */
async function backendAt(client: pg.Client, moment: RegExp, child: ChildProcess): Promise<number | null> {
  while (child.exitCode === null) {
    const { rows } = await client.query<{ pid: number; query: string }>(
      `select pid, query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state = 'active'`,
    );
    const found = rows.find(({ query }) => moment.test(query.trim()));
    if (found !== undefined) return found.pid;
    await delay(2);
  }
  return null;
}

onServer('a migration into PostgreSQL that is killed', () => {
  async function interrupted(
    storage: string,
    kill: (client: pg.Client, child: ChildProcess, backend: number) => Promise<unknown>,
    moment: RegExp,
  ): Promise<{ location: DatabaseLocation; env: Record<string, string> }> {
    const { url, location } = await serverDatabase('extension');
    const env = { VECTOR_DB_URL: url!, KITH_STORAGE: storage };
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const child = startKith(['migrate', '--domain', 'slovenia'], { env });
    const ended = once(child, 'exit');
    const backend = await backendAt(client, moment, child);
    expect(backend, `the migration was over before ${moment} was seen`).not.toBeNull();
    await kill(client, child, backend!);
    await ended;
    await client.end();
    return { location, env };
  }

  let whole: unknown;
  it('leaves the same as one that is not', { timeout: 300_000 }, async () => {
    const storage = await storageWithDomain(ROWS);
    const { url, location } = await serverDatabase('extension');
    await migrateToTheEnd({ VECTOR_DB_URL: url!, KITH_STORAGE: storage }, ROWS);
    whole = await contents(location);
    expect(whole).toMatchObject({ persons: 300, broken: 0, pending: 0, kept: 1 });
    for (const [when, moment] of MOMENTS) {
      const killed = await interrupted(storage, async (_, child) => child.kill('SIGKILL'), moment);
      await migrateToTheEnd(killed.env, ROWS);
      expect(await contents(killed.location), `kill -9 ${when}`).toEqual(whole);

      const cut = await interrupted(
        storage,
        (client, _, pid) => client.query('select pg_terminate_backend($1)', [pid]),
        moment,
      );
      await migrateToTheEnd(cut.env, ROWS);
      expect(await contents(cut.location), `the connection is cut ${when}`).toEqual(whole);
    }
  });

  it('waits for a migration of the same domain that runs', { timeout: 120_000 }, async () => {
    const storage = await storageWithDomain(ROWS);
    const { url, location } = await serverDatabase('schema');
    const env = { VECTOR_DB_URL: url!, KITH_STORAGE: storage };
    await Promise.all([migrateToTheEnd(env, ROWS), migrateToTheEnd(env, ROWS)]);
    expect(await contents(location)).toEqual(whole);
  });
});

it('a migration into the embedded database that is killed leaves the same as one that is not', {
  timeout: 300_000,
}, async () => {
  const rows = 400;
  const storage = await storageWithDomain(rows);
  const run = async (delays: readonly number[]): Promise<unknown> => {
    const { location } = await embeddedDatabase('schema');
    if (location.kind !== 'embedded') throw new Error('not embedded');
    const env = { KITH_DATA: location.folder, KITH_STORAGE: storage };
    for (const milliseconds of delays) {
      const child = startKith(['migrate', '--domain', 'slovenia'], { env });
      const ended = once(child, 'exit');
      await Promise.race([ended, delay(milliseconds)]);
      child.kill('SIGKILL');
      await ended;
    }
    await migrateToTheEnd(env, rows);
    return contents(location);
  };
  const whole = await run([]);
  expect(whole).toMatchObject({ persons: 300, broken: 0, pending: 0, kept: 1 });
  expect(await run([900, 1300, 1700, 2100, 2600, 3200])).toEqual(whole);
});

/** Whether a process runs; one that is dead and that nobody has waited for does not. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** kill -9 of the whole server, as when a machine runs out of memory. */
async function killServer(cluster: Cluster): Promise<void> {
  const pidFile = join(cluster.folder, 'data', 'postmaster.pid');
  const postmaster = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  const listed = execFileSync('ps', ['-o', 'pid=', '--ppid', String(postmaster)], { encoding: 'utf8' });
  const all = [
    postmaster,
    ...listed
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0),
  ];
  for (const pid of all) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  while (all.some(isAlive)) await delay(20);
  // Where nobody waits for orphans the postmaster's id stays taken, and a new one believes its lock files.
  for (const file of [pidFile, join(cluster.folder, `.s.PGSQL.${cluster.port}.lock`)]) rmSync(file, { force: true });
}

it('a migration whose server is killed with kill -9 leaves the same as one that is not', {
  timeout: 300_000,
}, async () => {
  const storage = await storageWithDomain(ROWS);
  await using cluster = await startCluster();
  if (cluster === null) return;
  const freshUrl = async (name: string): Promise<string> => {
    await asSuperuser(cluster.adminUrl, `create database ${name}`);
    return Object.assign(new URL(cluster.adminUrl), { pathname: `/${name}` }).href;
  };
  const available = await asSuperuser(cluster.adminUrl, `select from pg_available_extensions where name = 'vector'`);
  if (available[0]?.rowCount === 0) return console.log('NOT RUN: the PostgreSQL programs here have no pgvector');

  const envOf = (url: string): Record<string, string> => ({ VECTOR_DB_URL: url, KITH_STORAGE: storage });
  const locationOf = (url: string): DatabaseLocation => ({ kind: 'postgres', connection: connectionOf(url) });
  const undisturbed = await freshUrl('whole');
  await migrateToTheEnd(envOf(undisturbed), ROWS);
  const whole = await contents(locationOf(undisturbed));
  for (const [index, [when, moment]] of MOMENTS.entries()) {
    const url = await freshUrl(`killed_${index}`);
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    const child = startKith(['migrate', '--domain', 'slovenia'], { env: envOf(url) });
    const ended = once(child, 'exit');
    expect(await backendAt(client, moment, child), `the migration was over before ${moment} was seen`).not.toBeNull();
    await killServer(cluster);
    expect((await ended)[0], 'the migration ends as failed').toBe(1);
    await cluster.start();
    await migrateToTheEnd(envOf(url), ROWS);
    expect(await contents(locationOf(url)), `the server is killed ${when}`).toEqual(whole);
  }
});
