/**
 * Names of svc-index. `collate "C"`: lists are in the order of bytes. A head names the version that is the latest, whose
 * record is in `name_versions`. `name_counts` holds how many names there are, in stripes so that new names do not wait
 * for one row.
 */
export const names = `
create table name_heads (
  name text collate "C" primary key,
  version bigint not null check (version > 0),
  removed boolean not null
);
create table name_versions (
  name text collate "C" not null,
  version bigint not null check (version > 0),
  address text not null,
  prev text,
  updated_at bigint not null,
  owner text not null,
  expires_at bigint,
  signature text not null,
  primary key (name, version)
);
create table name_counts (
  stripe smallint primary key,
  held bigint not null check (held >= 0)
);
insert into name_counts select stripe, 0 from generate_series(0, 15) as stripe;
`;
