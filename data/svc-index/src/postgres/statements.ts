import type { Statement } from '@ron/postgres';

const record = `v.name, v.version, v.address, v.prev, v.updated_at, v.owner, v.expires_at, v.signature`;

/** A name and the record of its latest version. */
export const readHead: Statement = {
  name: 'names-head',
  text: `select ${record}, h.removed from name_heads h join name_versions v using (name, version) where h.name = $1`,
};

/**
 * The first version of a name: 1 to 8 the record, 9 the most names, 10 the stripe it is counted in. Who comes second waits for
 * the first to commit, and then inserts nothing. Names that are set at once by several connections can exceed the most by
 * as many.
 */
export const createName: Statement = {
  name: 'names-create',
  text: `
with room as (select coalesce(sum(held), 0) < $9::bigint as free from name_counts),
there as (select exists (select from name_heads where name = $1) as known),
head as (
  insert into name_heads (name, version, removed) select $1, $2, false from room where free
  on conflict (name) do nothing returning name
),
record as (
  insert into name_versions (name, version, address, prev, updated_at, owner, expires_at, signature)
  select $1, $2, $3, $4, $5, $6, $7, $8 from head
),
counted as (update name_counts set held = held + 1 where stripe = $10 and exists (select from head))
select exists (select from head) as done, free, known from room, there`,
};

/**
 * A later version, or the latest one removed: 1 to 8 the record, 9 the expected version, 10 whether it must have been
 * removed, 11 whether it is now, 12 the oldest version to keep. The row of the head orders all changes of a name; who waited
 * for it looks at its conditions anew.
 */
export const changeName: Statement = {
  name: 'names-change',
  text: `
with head as (
  update name_heads set version = $2, removed = $11 where name = $1 and version = $9 and removed = $10 returning name
),
record as (
  insert into name_versions (name, version, address, prev, updated_at, owner, expires_at, signature)
  select $1, $2, $3, $4, $5, $6, $7, $8 from head where $2::bigint <> $9::bigint
),
forgotten as (
  delete from name_versions where name = $1 and version < $12 and exists (select from head)
)
select exists (select from head) as done`,
};

export const readHistory: Statement = {
  name: 'names-history',
  text: `select ${record} from name_versions v where v.name = $1 and v.version < $2 order by v.version desc limit $3`,
};

/** 1 the prefix, 2 the last character there is, which ends its range; 3 the name to go on after. */
export const listHeads: Statement = {
  name: 'names-list',
  text: `
select ${record}, h.removed from name_heads h join name_versions v using (name, version)
where h.name >= $1 and h.name < $1 || $2 and ($3::text is null or h.name > $3)
order by h.name limit $4`,
};

export const walkVersions: Statement = {
  name: 'names-walk',
  text: `select ${record} from name_versions v where (v.name, v.version) > ($1, $2::bigint) order by v.name, v.version limit $3`,
};

export const countNames: Statement = {
  name: 'names-count',
  text: 'select coalesce(sum(held), 0)::bigint as held from name_counts',
};
