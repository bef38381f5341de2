-- The service's role (kith db init) owns nothing and alters nothing, and yet a domain may need the table of one more
-- embedding space. This function makes it with its owner's rights, of fixed shape and only under the name that Kith
-- gives to such a table; who may call it is granted by kith db init.
alter function kith_create_face_table(text, integer, text) rename to kith_make_face_table;

create function kith_create_face_table(face_table text, dimensions integer, metric text) returns void
  language plpgsql security definer as $$
begin
  if face_table !~ '^face_embeddings_[0-9]+$' then
    raise exception 'a table of faces is named face_embeddings_<n>, not %', face_table using errcode = '22023';
  end if;
  perform kith_make_face_table(face_table, dimensions, metric);
end $$;

do $$
declare
  fixed text := quote_ident(current_schema())
    || (select ', ' || quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace
          where e.extname = 'vector')
    || ', pg_temp';
begin
  execute 'alter function kith_create_face_table(text, integer, text) set search_path = ' || fixed;
end $$;
revoke all on function kith_create_face_table(text, integer, text) from public;
