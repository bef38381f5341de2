import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KithError } from '#kith/errors.js';
import type { Database } from '#kith/gallery/database.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { LATEST_VERSION } from '#kith/gallery/schema-status.js';
import { eachBackend } from '../support/database.js';

const DUMP = new URL('./schema.txt', import.meta.url);

/** Everything of the schema that matters, in a form that every supported PostgreSQL gives alike. */
async function dump(database: Database): Promise<string> {
  const { rows } = await database.query<{ line: string }>({
    text: `
    with mine as (select oid, relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r')
    select format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then ' not null' else '' end,
        coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) as line, 1 as part
      from mine c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    union all
    select c.relname || ' ' || pg_get_constraintdef(k.oid), 2
      from pg_constraint k join mine c on c.oid = k.conrelid where k.contype in ('p', 'u', 'f', 'c')
    union all
    select indexdef, 3 from pg_indexes where schemaname = 'public'
    union all
    select pg_get_triggerdef(t.oid), 4 from pg_trigger t join mine c on c.oid = t.tgrelid where not t.tgisinternal
    union all
    select format('%s(%s)%s%s', p.proname, pg_get_function_identity_arguments(p.oid),
        case when p.prosecdef then ' security definer' else '' end, coalesce(' ' || p.proconfig::text, '')), 5
      from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proname like 'kith%'
    order by 2, 1`,
  });
  return `${rows.map(({ line }) => line).join('\n')}\n`;
}

eachBackend('schema', (backend) => {
  it('is what the committed dump says (update with: KITH_UPDATE_DUMP=1)', async () => {
    const gallery = await backend.gallery();
    const found = await dump(gallery.database);
    if (process.env.KITH_UPDATE_DUMP === '1') {
      const { writeFileSync } = await import('node:fs');
      writeFileSync(DUMP, found);
    }
    expect(found).toBe(readFileSync(DUMP, 'utf8'));
  });

  it('is made once when several start at once', async () => {
    const { location } = await backend.fresh('nothing');
    const started = await Promise.all([1, 2, 3].map(() => openGallery({ location, schema: 'migrate' })));
    try {
      expect(await started[0]!.schema()).toEqual({ state: 'current', version: LATEST_VERSION });
      const { rows } = await started[0]!.database.query({ text: 'select version from kith_schema' });
      expect(rows.length).toBe(new Set(rows.map((row) => row.version)).size);
    } finally {
      for (const gallery of started) await gallery.close();
    }
  });

  it('is only named, never altered, by those who do not migrate', async () => {
    const { location } = await backend.fresh('nothing');
    await expect(openGallery({ location })).rejects.toMatchObject({ code: 'schema-missing' });
    await using gallery = await openGallery({ location, schema: 'any' });
    expect(await gallery.schema()).toEqual({ state: 'missing' });
    const { rows } = await gallery.database.query({ text: `select to_regclass('persons') as found` });
    expect(rows).toEqual([{ found: null }]);
  });

  it('is refused when it is newer, and named when it is older', async () => {
    const { location } = await backend.fresh();
    await using gallery = await openGallery({ location });
    await gallery.database.query({ text: `insert into kith_schema (version, name) values (9999, 'later')` });
    for (const schema of ['current', 'migrate'] as const) {
      const opening = openGallery({ location, schema });
      await expect(opening).rejects.toThrow(`version 9999, newer than the ${LATEST_VERSION}`);
      await expect(opening).rejects.toBeInstanceOf(KithError);
    }
    await gallery.database.query({ text: `delete from kith_schema` });
    await expect(openGallery({ location })).rejects.toMatchObject({ code: 'schema-old' });
  });

  it('takes over no table that is something else', async () => {
    const { location } = await backend.fresh('nothing');
    await using gallery = await openGallery({ location, schema: 'any' });
    await gallery.database.query({ text: 'create extension vector' });
    await gallery.database.query({ text: 'create table persons (id serial primary key, name text, domain text)' });
    await gallery.database.query({
      text: `create table face_embeddings (id serial primary key, person_id integer, image_path text unique, embedding vector(128))`,
    });
    const migrating = gallery.migrateSchema();
    await expect(migrating).rejects.toMatchObject({ code: 'schema-foreign' });
    await expect(migrating).rejects.toThrow('embedding is vector(128), not vector(512)');
    expect(await gallery.schema()).toEqual({ state: 'old-service' });
  });
});
