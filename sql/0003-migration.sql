-- What a datastore said and no face holds: rows that a migration skipped, and for faces that were there before it (an old
-- migration's) their place, path, hash and box in the datastore. An export puts the datastore together again from the
-- faces and these. Erasing a person erases them too.
create table kith_datastore_rows (
  space_id integer not null references kith_spaces (id) on delete cascade,
  domain varchar(100) not null,
  -- Counted from 0 in the order of the datastore.
  row_number integer not null,
  person_id integer references persons (id) on delete cascade,
  -- In the table of the space; null for a skipped row. A face that is gone takes its row out of an export.
  face_id bigint,
  identity text,
  hash text,
  x double precision,
  y double precision,
  width double precision,
  height double precision,
  -- Why the row was skipped; null for a row that a face holds.
  reason text,
  -- The vector of a skipped row, which may hold what no vector may.
  numbers real[],
  primary key (space_id, domain, row_number)
);
create index kith_datastore_rows_person_idx on kith_datastore_rows (person_id);

-- The last migration of each datastore, with its whole report.
create table kith_migrations (
  space_id integer not null references kith_spaces (id) on delete cascade,
  domain varchar(100) not null,
  finished_at timestamptz not null default now(),
  rows integer not null,
  migrated integer not null,
  unchanged integer not null,
  skipped integer not null,
  seconds double precision not null,
  report jsonb not null,
  primary key (space_id, domain)
);

-- HNSW indexes that were dropped from an empty table to be built when its rows are in. Whoever finds one here builds it.
create table kith_pending_indexes (
  id bigserial primary key,
  table_name text not null,
  index_name text not null,
  definition text not null,
  since timestamptz not null default now()
);
