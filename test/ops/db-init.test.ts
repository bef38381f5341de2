import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectionOfUrl } from '#kith/config/database-connection.js';
import { Secret } from '#kith/config/secret.js';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { type InitOptions, type InitReport, initDatabase } from '#kith/ops/db-init.js';
import { scramVerifier } from '#kith/ops/scram-verifier.js';
import { asSuperuser, onServer } from '../support/database.js';
import { kith } from '../support/kith.js';

const SPACE = spaceFromName(
  parseSpaceName('model_faceapi_detector_ssdmobilenetv1_aligned_normalization_base_expand_0'),
  128,
);

it('computes the verifier that PostgreSQL stores, by the vector of RFC 7677', () => {
  // RFC 7677 section 3: password "pencil", this salt, 4096 rounds.
  const verifier = scramVerifier(new Secret('pencil'), Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'));
  expect(verifier).toBe(
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  );
});

onServer('kith db init', (server) => {
  const tag = randomBytes(4).toString('hex');
  const names = { database: `kith_test_${tag}`, owner: `kith_test_owner_${tag}`, role: `kith_test_role_${tag}` };
  const folder = mkdtempSync(join(tmpdir(), 'kith-init-'));
  const passwordFile = join(folder, 'pgpass');
  let report: InitReport;

  const init = async (more: Partial<InitOptions> = {}): Promise<InitReport> =>
    initDatabase({ admin: await connectionOfUrl(server), ...names, passwordFile, ...more });
  const openAs = async (url: string, schema: 'migrate' | 'current') =>
    openGallery({
      location: { kind: 'postgres', connection: await connectionOfUrl(url, { PGPASSFILE: passwordFile }) },
      schema,
    });
  const passwordOf = (user: string): string =>
    readFileSync(passwordFile, 'utf8')
      .split('\n')
      .find((line) => line.includes(`:${user}:`))
      ?.split(':')
      .at(-1) ?? '';

  beforeAll(async () => {
    report = await init();
  });

  afterAll(async () => {
    await asSuperuser(server, `drop database if exists ${names.database} with (force)`);
    for (const role of [names.role, names.owner])
      await asSuperuser(server, `drop owned by ${role}`, `drop role ${role}`).catch(() =>
        asSuperuser(server, `drop role if exists ${role}`),
      );
    rmSync(folder, { recursive: true, force: true });
  });

  it('makes database, extension, two roles, and passwords that nobody sees', () => {
    expect(report.made).toHaveLength(6);
    expect(statSync(passwordFile).mode & 0o777).toBe(0o600);
    for (const user of [names.owner, names.role]) {
      expect(passwordOf(user)).toMatch(/^[\w-]{32}$/);
      expect(JSON.stringify(report)).not.toContain(passwordOf(user));
    }
  });

  it('does not let the service make the schema, and tells it who may', async () => {
    await expect(openAs(report.serviceUrl, 'migrate')).rejects.toMatchObject({ code: 'schema-rights' });
    await expect(openAs(report.serviceUrl, 'migrate')).rejects.toThrow(new RegExp(names.role));
    const ended = await kith(['serve'], {
      env: { VECTOR_DB_URL: report.serviceUrl, PGPASSFILE: passwordFile, KITH_PORT: '0', KITH_DATA: folder },
    });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('kith db migrate');
    expect(ended.stderr).toContain(names.owner);
  });

  it('lets the owner make it and the service use it: persons, faces, a further space, keys', async () => {
    await (await openAs(report.ownerUrl, 'migrate')).close();
    await using gallery = await openAs(report.serviceUrl, 'migrate');
    const person = await gallery.addPerson({ name: 'Ana', domain: 'slovenia' });
    expect((await gallery.ensureDomain('demo', SPACE)).stored.table).toBe('face_embeddings_2');
    expect(await gallery.deletePerson(person.id)).toBe(true);
    const { ApiKeys } = await import('#kith/ops/keys.js');
    expect(await new ApiKeys(gallery.database).any()).toBe(false);
    const { selftest } = await import('#kith/ops/selftest.js');
    expect(await selftest(gallery)).toMatchObject({ failed: 0 });
  });

  it.each([
    'alter table persons add column extra int',
    'drop table kith_keys',
    'create table anything ()',
    'drop index face_embeddings_person_id_idx',
    "select kith_create_face_table('persons_2', 3, 'cosine')",
    'truncate persons',
  ])('keeps the service from: %s', async (statement) => {
    const client = new pg.Client({
      connectionString: Object.assign(new URL(report.serviceUrl), { password: passwordOf(names.role) }).href,
    });
    await client.connect();
    await expect(client.query(statement)).rejects.toThrow(/permission denied|must be owner|named face_embeddings/);
    await client.end();
  });

  it('finds everything when it is run again, and changes no password', async () => {
    const before = readFileSync(passwordFile, 'utf8');
    const again = await init();
    expect(again.made).toEqual([]);
    expect(again.found).toHaveLength(6);
    expect(readFileSync(passwordFile, 'utf8')).toBe(before);
  });

  it('gives new passwords when it is asked to, or when the kept ones are lost', async () => {
    const before = passwordOf(names.role);
    expect((await init({ rotate: true })).made).toEqual([`password of ${names.owner}`, `password of ${names.role}`]);
    expect(passwordOf(names.role)).not.toBe(before);
    rmSync(passwordFile);
    expect((await init()).made).toHaveLength(2);
    await (await openAs(report.serviceUrl, 'current')).close();
  });

  it("leaves the old service's tables to the role that it logs in with", async () => {
    const old = { database: `${names.database}_old`, user: `${names.role}_python` };
    await asSuperuser(server, `create role ${old.user}`, `create database ${old.database} owner ${old.user}`);
    const url = Object.assign(new URL(server), { pathname: `/${old.database}` }).href;
    await asSuperuser(
      url,
      'create extension vector',
      `set role ${old.user}`,
      'create table persons (id serial primary key, name varchar(255) not null, domain varchar(100) not null, unique (name, domain))',
      'create table face_embeddings (id serial primary key, person_id int not null references persons on delete cascade, image_path text not null unique, embedding vector(512) not null)',
    );
    try {
      const made = await init({ database: old.database });
      await (await openAs(made.ownerUrl, 'migrate')).close();
      const [, result] = await asSuperuser(
        url,
        `set role ${old.user}`,
        `insert into persons (name, domain) values ('Ana', 'slovenia') returning id`,
      );
      expect(result?.rowCount).toBe(1);
      await asSuperuser(url, `set role ${old.user}`, 'alter table persons add column of_its_own int');
      await using gallery = await openAs(made.serviceUrl, 'current');
      expect(await gallery.findPerson('Ana', 'slovenia')).toMatchObject({ name: 'Ana' });
    } finally {
      await asSuperuser(server, `drop database ${old.database} with (force)`, `drop role ${old.user}`);
    }
  });

  it('refuses names that would need quoting, one role for both, and an administrator who is none', async () => {
    await expect(init({ database: 'Kith; drop' })).rejects.toMatchObject({ code: 'database-init' });
    await expect(init({ role: names.owner })).rejects.toMatchObject({ code: 'database-init' });
    const admin = await connectionOfUrl(report.serviceUrl, { PGPASSFILE: passwordFile });
    await expect(init({ admin })).rejects.toThrow(/may not make roles/);
  });
});
