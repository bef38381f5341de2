-- The two tables of the service that Kith takes over from, made or taken over in place, and what Kith keeps beside them.
-- That service goes on reading and writing both tables while the two run side by side, under a role that may own
-- nothing: whatever is added here fills itself in. Runs in one transaction, with the tables' schema first in the path.

create table if not exists persons (
  id serial primary key,
  name varchar(255) not null,
  domain varchar(100) not null,
  wikidata_id varchar(50),
  occupation text,
  created_at timestamp default current_timestamp,
  updated_at timestamp default current_timestamp,
  unique (name, domain)
);

alter table persons
  add column if not exists wikidata_id varchar(50),
  add column if not exists occupation text,
  add column if not exists created_at timestamp default current_timestamp,
  add column if not exists updated_at timestamp default current_timestamp;

create table if not exists face_embeddings (
  id serial primary key,
  person_id integer not null references persons (id) on delete cascade,
  image_path text not null unique,
  embedding vector(512) not null,
  confidence real,
  created_at timestamp default current_timestamp
);

-- One row per embedding space that was ever needed, with the table that holds its embeddings. A null is unknown; a row
-- without a model is a taken-over (or new and still empty) table that nobody has declared.
create table kith_spaces (
  id serial primary key,
  table_name text not null unique,
  model text,
  detector text,
  aligned boolean,
  normalization text,
  expand integer,
  dimensions integer not null check (dimensions between 1 and 16000),
  metric text not null default 'cosine' check (metric in ('cosine', 'euclidean', 'euclidean_l2', 'angular')),
  channel_order text check (channel_order in ('bgr', 'rgb')),
  weights_sha256 text,
  producer text,
  created_at timestamptz not null default now()
);
insert into kith_spaces (table_name, dimensions) values ('face_embeddings', 512);

-- What is set per domain; a domain that has no row (the old service made it) is of the space of face_embeddings.
create table kith_domains (
  name varchar(100) primary key,
  space_id integer not null default 1 references kith_spaces (id),
  mode text check (mode in ('pkl', 'dual', 'pgvector')),
  threshold double precision check (threshold >= 0),
  margin double precision check (margin >= 0),
  ef_search integer check (ef_search between 1 and 1000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- Who changed what, when and why: modes, settings, cutovers.
create table kith_audit (
  id bigserial primary key,
  at timestamptz not null default now(),
  domain varchar(100),
  action text not null,
  who text not null,
  why text,
  details jsonb not null default '{}'
);
create index kith_audit_domain_idx on kith_audit (domain, id);

-- The domain of a face is its person's, whoever writes. The lock holds off a change of the person's domain until this
-- transaction ends; that change then finds this face. Definer's rights: the writer may not be allowed to lock persons.
create function kith_face_domain() returns trigger language plpgsql security definer as $$
begin
  select p.domain into new.domain from persons p where p.id = new.person_id for key share;
  if not found then
    -- The foreign key says it better than a missing domain would.
    new.domain := '';
  end if;
  return new;
end $$;

-- Faces follow their person into another domain, in every space.
create function kith_person_domain() returns trigger language plpgsql security definer as $$
declare
  face_table text;
begin
  for face_table in select s.table_name from kith_spaces s order by s.id loop
    execute format('update %I set domain = $1 where person_id = $2', face_table) using new.domain, new.id;
  end loop;
  return null;
end $$;

create trigger kith_person_domain after update of domain on persons
  for each row when (old.domain is distinct from new.domain) execute function kith_person_domain();

-- Makes an index unless the table has one on just these columns (or, for "embedding", an HNSW index of the same kind).
create function kith_ensure_index(face_table text, columns text[], definition text) returns void language plpgsql as $$
begin
  if not exists (
    select from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am m on m.oid = c.relam
    where i.indrelid = face_table::regclass and i.indisvalid and i.indpred is null
      and (select array_agg(a.attname::text order by k.n)
             from unnest(i.indkey::int2[]) with ordinality k (attnum, n)
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum) = columns
      and (m.amname = 'hnsw') = (definition ilike '%using hnsw%')
  ) then
    execute definition;
  end if;
end $$;

create function kith_domain_of(person anyelement) returns varchar language sql stable as
  $$ select domain from persons where id = person $$;

-- What Kith adds to a table of faces. A vector that fits into a page stays in the row: an exact scan then reads the
-- table only, four times faster than through TOAST. ALTER … TYPE … USING writes every row anew once, with all of it.
create function kith_extend_face_table(face_table text) returns void language plpgsql as $$
begin
  execute format($sql$
    alter table %1$I set (toast_tuple_target = 8160);
    alter table %1$I
      add column if not exists confidence real,
      add column if not exists created_at timestamp default current_timestamp,
      add column domain varchar(100),
      add column box_x real,
      add column box_y real,
      add column box_width real,
      add column box_height real,
      add column landmarks real[],
      add column flags text[] not null default '{}',
      add column image_sha256 bytea check (length(image_sha256) = 32),
      add column legacy_hash text,
      add column datastore_row integer;
    alter table %1$I alter column domain type varchar(100) using kith_domain_of(person_id);
    alter table %1$I alter column domain set not null;
    create trigger kith_face_domain before insert or update of person_id, domain on %1$I
      for each row execute function kith_face_domain();
  $sql$, face_table);
  perform kith_ensure_index(face_table, '{person_id}', format('create index on %I (person_id)', face_table));
  perform kith_ensure_index(face_table, '{domain,person_id}', format('create index on %I (domain, person_id)', face_table));
end $$;

-- The index of a whole table of faces, of the kind that its vectors allow: HNSW ends at 2,000 dimensions, with half
-- precision (pgvector 0.7) at 4,000; beyond, every search is exact.
create function kith_index_faces(face_table text, dimensions integer, metric text) returns void language plpgsql as $$
declare
  family text := case metric when 'euclidean' then 'l2_ops' else 'cosine_ops' end;
  halves boolean := to_regtype('halfvec') is not null;
begin
  if dimensions <= 2000 then
    perform kith_ensure_index(face_table, '{embedding}', format(
      'create index on %I using hnsw (embedding vector_%s) with (m = 16, ef_construction = 64)', face_table, family));
  elsif dimensions <= 4000 and halves and not exists (
    select from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
    where i.indrelid = face_table::regclass and i.indisvalid and i.indpred is null and m.amname = 'hnsw') then
    -- Of length 1 where only the direction counts: half precision ends at 65,504.
    execute format('create index on %I using hnsw ((%s::halfvec(%s)) halfvec_%s) with (m = 16, ef_construction = 64)',
      face_table, case metric when 'euclidean' then 'embedding' else 'l2_normalize(embedding)' end, dimensions, family);
  end if;
end $$;

-- A table for the faces of one more space, of the same shape as face_embeddings.
create function kith_create_face_table(face_table text, dimensions integer, metric text) returns void language plpgsql as $$
begin
  execute format($sql$
    create table %1$I (
      id serial primary key,
      person_id %2$s not null references persons (id) on delete cascade,
      image_path text not null unique,
      embedding vector(%3$s) not null
    );
  $sql$, face_table, (select format_type(atttypid, null) from pg_attribute where attrelid = 'persons'::regclass and attname = 'id'), dimensions);
  perform kith_extend_face_table(face_table);
  perform kith_index_faces(face_table, dimensions, metric);
end $$;

select kith_ensure_index('persons', '{domain}', 'create index on persons (domain)');
select kith_ensure_index('persons', '{name}', 'create index on persons (name)');
select kith_extend_face_table('face_embeddings');
select kith_index_faces('face_embeddings', 512, 'cosine');

-- The path is fixed to the schema that this runs in, so that nobody's search_path leads a definer's function astray.
do $$
declare
  fixed text := quote_ident(current_schema()) || ', pg_temp';
begin
  execute 'alter function kith_face_domain() set search_path = ' || fixed;
  execute 'alter function kith_person_domain() set search_path = ' || fixed;
end $$;
revoke all on function kith_face_domain(), kith_person_domain(), kith_ensure_index(text, text[], text),
  kith_domain_of(anyelement), kith_extend_face_table(text), kith_index_faces(text, integer, text),
  kith_create_face_table(text, integer, text) from public;
