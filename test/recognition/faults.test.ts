import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGallery } from '#kith/gallery/open-gallery.js';
import type { Recognition } from '#kith/recognition/recognition.js';
import { asSuperuser, connectionOf } from '../support/database.js';
import { ARCFACE_FILE, makeRows } from '../support/domain-folder.js';
import { migratedDomain, type Row, validator, vectorOfRow } from '../support/dual-domain.js';
import { type Cluster, startCluster } from '../support/postgres-cluster.js';
import { makeWorkplace, type Workplace } from '../support/recognition.js';

const AUTHOR = { who: 'test', why: 'a reason' };

/** A server of the tests' own, which they may kill; null where there is none, or none with pgvector. */
async function startServer(): Promise<Cluster | null> {
  const cluster = await startCluster();
  if (cluster === null) return null;
  try {
    await asSuperuser(cluster.adminUrl, 'create extension vector');
    return cluster;
  } catch {
    console.log('NOT RUN: faults of a real server (the PostgreSQL that is installed has no pgvector)');
    await cluster[Symbol.asyncDispose]();
    return null;
  }
}

const cluster = await startServer();

describe.runIf(cluster !== null)('a server that dies', () => {
  let place: Workplace;
  let recognition: Recognition;
  const rows = new Map<string, Row[]>();
  const server = cluster!;
  const location = () => ({ kind: 'postgres', connection: connectionOf(server.adminUrl) }) as const;
  const open = () =>
    place.open(location(), {
      validate: validator(place.storage),
      gallery: () => openGallery({ location: location() }),
    });

  beforeAll(async () => {
    place = await makeWorkplace();
    await (await openGallery({ location: location(), schema: 'migrate' })).close();
    for (const [seed, domain] of ['dual', 'switched', 'watched', 'vanishing'].entries()) {
      rows.set(domain, makeRows(domain, { rows: 30, persons: 10, seed }));
      await migratedDomain(location(), place.storage, domain, rows.get(domain)!);
    }
    recognition = open();
    const force = (domain: string, watchMinutes: number) =>
      recognition.cutover({ domain, author: AUTHOR, force: true, watchMinutes });
    await force('switched', 0);
    await force('watched', 15);
    for (const domain of rows.keys()) await recognition.search(vectorOfRow(rows.get(domain)![0]), { domain });
  });
  afterAll(async () => {
    await recognition[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await place.remove();
  });

  const search = (domain: string, place_: number, service = recognition) =>
    service.search(vectorOfRow(rows.get(domain)![place_ % 30]), { domain });
  const right = async (domain: string, nth: number, service = recognition) => {
    const { candidates, mode } = await search(domain, nth, service);
    expect(candidates[0]?.imagePath).toBe(rows.get(domain)![nth % 30]!.identity);
    return mode;
  };

  it('in dual mode: callers notice nothing, and comparisons go on when it is back', async () => {
    let stopped = false;
    const traffic = (async () => {
      let slowest = 0;
      for (let nth = 0; !stopped; nth++) {
        const started = performance.now();
        expect(await right('dual', nth)).toBe('dual');
        slowest = Math.max(slowest, performance.now() - started);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return slowest;
    })();
    await server.stop('immediate');
    await new Promise((resolve) => setTimeout(resolve, 6000));
    await server.start();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    stopped = true;
    // Far below any time limit towards the database: nobody waited for it.
    expect(await traffic).toBeLessThan(2000);
    const report = await recognition.shadow.report('dual');
    expect(report.differences.error).toBeGreaterThan(0);
    expect(report.comparisons).toBeGreaterThan(report.differences.error!);
    expect(Object.keys(report.differences)).toEqual(['error']);
  });

  it('in pgvector mode: 503 with a time to try again, then recovery without a restart', async () => {
    expect(await right('switched', 1)).toBe('pgvector');
    await server.stop('immediate');
    try {
      await expect(search('switched', 2)).rejects.toMatchObject({
        code: 'database-unreachable',
        status: 503,
        retryAfter: expect.any(Number),
      });
    } finally {
      await server.start();
    }
    await expect.poll(() => right('switched', 3).catch(() => 'not yet'), { timeout: 20_000 }).toBe('pgvector');
  });

  it('while a cutover is watched: the datastore answers, the domain goes back, the database is told later', async () => {
    expect(await right('watched', 0)).toBe('pgvector');
    await server.stop('immediate');
    try {
      for (let nth = 0; nth < 30; nth++) await right('watched', nth);
      expect(await recognition.modes.of('watched')).toMatchObject({ mode: 'dual', source: 'rolled-back-here' });
      expect(await readdir(place.data)).toContain('pending-rollback-watched.json');
      // A service that starts in this moment follows it too.
      await using other = open();
      expect(await right('watched', 4, other)).toBe('dual');
    } finally {
      await server.start();
    }
    await expect
      .poll(() => recognition.modes.of('watched'), { timeout: 20_000 })
      .toMatchObject({ mode: 'dual', source: 'own' });
    expect(existsSync(join(place.data, 'pending-rollback-watched.json'))).toBe(false);
    const [audit] = await asSuperuser(
      server.adminUrl,
      `select who, why from kith_audit where domain = 'watched' order by id desc limit 1`,
    );
    expect(audit!.rows[0]).toMatchObject({ who: 'kith', why: expect.stringMatching(/searches failed/) });
  });

  it('before a service starts: it goes by the last known modes', async () => {
    await server.stop('immediate');
    try {
      await using late = open();
      expect(await right('dual', 5, late)).toBe('dual');
      expect(await late.modes.of('switched')).toMatchObject({ mode: 'pgvector', source: 'remembered' });
      await expect(search('switched', 5, late)).rejects.toMatchObject({ status: 503 });
      // Rolled back by hand while it is down: at once.
      expect(await late.rollback('switched', AUTHOR)).toMatchObject({ complete: false });
      expect(await right('switched', 5, late)).toBe('dual');
    } finally {
      await server.start();
    }
    await expect.poll(() => recognition.modes.of('switched'), { timeout: 20_000 }).toMatchObject({ source: 'own' });
    expect(await right('switched', 6)).toBe('dual');
  });

  it('a datastore that vanishes goes on being served, and does not become pgvector after a restart', async () => {
    const path = join(place.storage, 'vanishing', ARCFACE_FILE);
    await rename(path, `${place.folder}/away`);
    expect(await right('vanishing', 1)).toBe('dual');
    await expect
      .poll(() => place.events.find((event) => event.kind === 'datastore-alert' && event.domain === 'vanishing'), {
        timeout: 10_000,
      })
      .toBeDefined();
    expect(await right('vanishing', 2)).toBe('dual');
    await using restarted = open();
    expect((await restarted.modes.of('vanishing')).mode).toBe('dual');
    await expect(search('vanishing', 3, restarted)).rejects.toMatchObject({
      code: 'datastore-not-served',
      status: 503,
    });
    await rename(`${place.folder}/away`, path);
    await expect.poll(() => right('vanishing', 4, restarted).catch(() => 'not yet'), { timeout: 20_000 }).toBe('dual');
    await rm(`${place.folder}/away`, { force: true });
  });
});
