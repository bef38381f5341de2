-- How far running enrolments and migrations are, so that the service and kith stats can tell, whichever process runs
-- them. A row lives as long as its run; one that was killed leaves its row, which nobody reads after an hour.
create table kith_bulk_progress (
  id uuid primary key default gen_random_uuid(),
  kind text not null check (kind in ('enrolment', 'migration')),
  domain varchar(100) not null,
  done bigint not null,
  -- null: nobody knows yet
  total bigint,
  started_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
