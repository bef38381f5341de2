-- API keys. The key itself is shown once and kept nowhere: it is 256 random bits, so its plain SHA-256 gives nothing away.
create table kith_keys (
  -- the key's public part, by which it is looked up and revoked
  id text primary key check (id ~ '^[a-z2-7]{10}$'),
  scope text not null check (scope in ('recognise', 'enrol', 'admin')),
  -- null: every domain
  domain text,
  sha256 bytea not null check (octet_length(sha256) = 32),
  note text not null default '',
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  -- to the minute
  last_used_at timestamptz
);
