import { KithError } from '../errors.js';
import type { Queryable } from './database.js';

/** What the old service's tables must have for Kith to work with them; a column that is not here may be missing. */
const NEEDED: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  persons: {
    id: ['integer', 'bigint', 'uuid'],
    name: ['character varying', 'text'],
    domain: ['character varying', 'text'],
  },
  face_embeddings: {
    id: ['integer', 'bigint', 'uuid'],
    person_id: ['integer', 'bigint', 'uuid'],
    image_path: ['text', 'character varying'],
    embedding: ['vector'],
  },
};

interface Column {
  readonly table_name: string;
  readonly column_name: string;
  readonly type: string;
  readonly full_type: string;
}

function checkColumns(columns: readonly Column[]): void {
  for (const [table, needed] of Object.entries(NEEDED))
    for (const [name, types] of Object.entries(needed)) {
      const found = columns.find((column) => column.table_name === table && column.column_name === name);
      if (found === undefined) throw new KithError('schema-foreign', { table, why: `it has no column ${name}` });
      if (!types.includes(found.type))
        throw new KithError('schema-foreign', {
          table,
          why: `${name} is ${found.full_type}, not ${types.join(' or ')}`,
        });
      if (found.type === 'vector' && found.full_type !== 'vector(512)')
        throw new KithError('schema-foreign', { table, why: `${name} is ${found.full_type}, not vector(512)` });
    }
}

async function checkUnique(database: Queryable): Promise<void> {
  const { rows } = await database.query<{ persons: boolean; faces: boolean }>({
    text: `with keys as (
        select i.indrelid, array_agg(a.attname::text order by a.attname) as names
        from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey::int2[])
        where i.indisunique and i.indpred is null and i.indrelid in ('persons'::regclass, 'face_embeddings'::regclass)
        group by i.indexrelid, i.indrelid)
      select exists (select from keys where indrelid = 'persons'::regclass and names = '{domain,name}') as persons,
        exists (select from keys where indrelid = 'face_embeddings'::regclass and names = '{image_path}') as faces`,
  });
  if (!rows[0]!.persons)
    throw new KithError('schema-foreign', { table: 'persons', why: 'it has no unique key on (name, domain)' });
  if (!rows[0]!.faces)
    throw new KithError('schema-foreign', { table: 'face_embeddings', why: 'it has no unique key on image_path' });
}

async function checkOwner(database: Queryable): Promise<void> {
  const { rows } = await database.query<{ table: string; owner: string; role: string; may: boolean }>({
    text: `select c.relname::text as table, r.rolname::text as owner, current_user::text as role,
        pg_has_role(current_user, c.relowner, 'usage') as may
      from pg_class c join pg_roles r on r.oid = c.relowner
      where c.oid in ('persons'::regclass, 'face_embeddings'::regclass)`,
  });
  for (const { table, owner, role, may } of rows) if (!may) throw new KithError('schema-owner', { table, owner, role });
}

/** Checks that the tables named as the old service's are its tables, and that this role may alter them. */
export async function checkTakeOver(database: Queryable): Promise<void> {
  const { rows } = await database.query<Column>({
    text: `select c.relname::text as table_name, a.attname::text as column_name,
        regexp_replace(format_type(a.atttypid, null), '^.*\\.', '') as type,
        regexp_replace(format_type(a.atttypid, a.atttypmod), '^.*\\.', '') as full_type
      from pg_attribute a join pg_class c on c.oid = a.attrelid
      where a.attrelid in ('persons'::regclass, 'face_embeddings'::regclass) and a.attnum > 0 and not a.attisdropped`,
  });
  checkColumns(rows);
  await checkUnique(database);
  await checkOwner(database);
}
