import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { type Contents, eachBackend } from '../support/database.js';
import { kith } from '../support/kith.js';
import { OLD_TABLES } from '../support/old-service.js';

eachBackend('kith stats of a database without a domain of its own', (backend) => {
  const folder = mkdtempSync(join(tmpdir(), 'kith-stats-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs the command on a fresh database on which `statements` were run before. */
  async function stats(contents: Contents, ...statements: string[]) {
    const { location, url } = await backend.fresh(contents);
    const data = location.kind === 'embedded' ? location.folder : mkdtempSync(join(folder, 'data-'));
    if (statements.length > 0) {
      await using gallery = await openGallery({ location, schema: 'any' });
      for (const text of statements) await gallery.database.query({ text });
    }
    const env = { KITH_DATA: data, KITH_STORAGE: join(folder, 'storage'), ...(url && { VECTOR_DB_URL: url }) };
    return {
      json: () => kith(['stats', '--json'], { env }),
      plain: () => kith(['stats'], { env }),
      migrate: () => kith(['db', 'migrate'], { env }),
    };
  }
  const OLD = [
    'create extension if not exists vector',
    ...OLD_TABLES.split(';').filter((text) => text.trim() !== ''),
    `insert into persons (name, domain) values ('Ana', 'slovenia')`,
  ];

  it('names the take-over that the old service’s tables wait for, instead of saying that there is none', async () => {
    const { json, plain, migrate } = await stats('nothing', ...OLD);
    const waiting = await json();
    expect({ code: waiting.code, stdout: waiting.stdout }).toEqual({ code: 1, stdout: '' });
    expect(JSON.parse(waiting.stderr).error).toMatchObject({
      code: 'schema-not-taken-over',
      hint: expect.stringContaining('kith db migrate'),
    });
    const words = await plain();
    expect(words.code).toBe(1);
    expect(words.stderr).toMatch(
      /the old service's two tables, which Kith has not taken over yet[\s\S]*kith db migrate/,
    );
    expect(words.stdout + words.stderr).not.toContain('no domain yet');

    expect((await migrate()).code).toBe(0);
    expect(JSON.parse((await json()).stdout).domains).toMatchObject([{ domain: 'slovenia', persons: 1, faces: 0 }]);
  });

  it('names a schema that has to be brought up to date first', async () => {
    const { json } = await stats(
      'schema',
      'delete from kith_schema where version = (select max(version) from kith_schema)',
    );
    const { code, stderr } = await json();
    expect(code).toBe(1);
    expect(JSON.parse(stderr).error.code).toBe('schema-old');
  });

  it.each(['nothing', 'schema'] as const)(
    'says of a new database (%s) that there is no domain yet',
    async (contents) => {
      const { plain } = await stats(contents);
      expect(await plain()).toEqual({ code: 0, stdout: 'no domain yet: kith enroll, kith migrate\n', stderr: '' });
    },
  );
});
