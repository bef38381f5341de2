-- What proving and switching needs: shadow comparisons, cutovers, and what enrolment has seen.

create table kith_shadow_comparisons (
  id bigint generated always as identity primary key,
  domain text not null,
  compared_at timestamptz not null default now(),
  source text not null check (source in ('traffic', 'replay')),
  -- the query that DeepFace.find of 0.0.94-0.0.100 used has an arm of its own and counts in no verdict
  arm text not null default 'represent' check (arm in ('represent', 'legacy-find')),
  probe_sha256 text not null,
  agreed boolean not null,
  class text check (class in ('missing-row', 'stale-row', 'ann-miss', 'tie', 'threshold-edge', 'channel-order', 'error', 'unexplained')),
  -- shared persons among the first k, 0-1; largest difference of distance over the shared ones
  overlap real,
  max_difference double precision,
  datastore_ms real,
  gallery_ms real,
  datastore_error text,
  gallery_error text,
  datastore_person text,
  datastore_distance double precision,
  gallery_person text,
  gallery_distance double precision,
  detail text not null default ''
);
create index kith_shadow_comparisons_domain on kith_shadow_comparisons (domain, arm, compared_at);
create index kith_shadow_comparisons_age on kith_shadow_comparisons (compared_at);

-- comparisons that were not made because too many were under way
create table kith_shadow_drops (
  domain text primary key,
  dropped bigint not null
);

create table kith_cutovers (
  id bigint generated always as identity primary key,
  domain text not null,
  state text not null default 'watching' check (state in ('watching', 'settled', 'rolled-back')),
  started_at timestamptz not null default now(),
  watch_until timestamptz not null,
  who text not null,
  why text not null,
  forced boolean not null,
  -- what spoke against it when it was forced
  reasons text[] not null,
  max_error_rate double precision not null,
  max_empty_rate double precision not null,
  ended_at timestamptz,
  ended_by text,
  ended_why text
);
create unique index kith_cutovers_standing on kith_cutovers (domain) where state <> 'rolled-back';

-- every image that enrolment has dealt with, also those without a face: the next run passes over them
create table kith_enrolled_images (
  domain text not null,
  image_path text not null,
  person text not null,
  sha256 text not null,
  -- what was wished for then (which faces, whether poor ones count): with other wishes the image is looked at again
  rules text not null,
  -- the folder it came from: an image counts as removed when that folder no longer holds it
  root text not null,
  outcome text not null check (outcome in ('enrolled', 'no-face', 'poor', 'unreadable')),
  -- the report's notes on this image, so that a resumed run reports the whole
  notes jsonb not null default '{}',
  enrolled_at timestamptz not null default now(),
  primary key (domain, image_path)
);
