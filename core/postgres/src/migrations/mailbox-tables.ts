/**
 * Messages of svc-mailbox. Everything of a box is in one of 64 partitions, by a hash of tenant and box, and whoever changes
 * anything in a partition holds its row: that is the only lock, so there are no deadlocks, and within a partition all happens
 * one after the other. Counts are kept by triggers under the same lock. Bytes and texts of senders are `bytea`, because
 * `text` takes no NUL. `mailbox_clock` is the mailbox time in milliseconds that was reached last, `mailbox_order` gives out
 * places in line; both are sequences, which are written without waiting for anybody.
 */
export const mailboxTables = `
create sequence mailbox_clock minvalue 0 start 0;
create sequence mailbox_order;

create table mailbox_partitions (
  id smallint primary key,
  boxes bigint not null default 0,
  keys bigint not null default 0,
  ready bigint not null default 0,
  delayed bigint not null default 0,
  leased bigint not null default 0,
  dead bigint not null default 0,
  bytes bigint not null default 0,
  expired bigint not null default 0,
  died_attempts bigint not null default 0,
  died_expired bigint not null default 0,
  died_damaged bigint not null default 0
) with (fillfactor = 50);
insert into mailbox_partitions (id) select generate_series(0, 63);

create table mailbox_boxes (
  id bigint generated always as identity primary key,
  partition smallint not null,
  tenant text collate "C" not null,
  name text collate "C" not null,
  ready bigint not null default 0,
  delayed bigint not null default 0,
  leased bigint not null default 0,
  dead bigint not null default 0,
  bytes bigint not null default 0,
  sent bigint not null default 0,
  duplicates bigint not null default 0,
  delivered bigint not null default 0,
  redelivered bigint not null default 0,
  acked bigint not null default 0,
  expired bigint not null default 0,
  deleted bigint not null default 0,
  empty_ms bigint,
  unique (tenant, name)
) with (fillfactor = 50);
create index on mailbox_boxes (empty_ms) where empty_ms is not null;

create table mailbox_usage (
  tenant text not null,
  partition smallint not null,
  messages bigint not null,
  bytes bigint not null,
  busy bigint not null,
  primary key (tenant, partition)
) with (fillfactor = 50);

create table mailbox_keys (
  hash bytea primary key,
  digest bytea not null,
  id text not null,
  until_ms bigint not null
);
create index on mailbox_keys (until_ms);

create table mailbox_messages (
  id text collate "C" primary key,
  partition smallint not null,
  box_id bigint not null references mailbox_boxes,
  state smallint not null, -- 0 ready, 1 delayed, 2 leased, 3 dead
  ord bigint not null,
  offered bigint, -- its place in line: ready, and the first of its group
  due_ms bigint not null,
  expires_ms bigint not null,
  wake_ms bigint generated always as (
    case state when 0 then expires_ms when 1 then least(due_ms, expires_ms) else due_ms end
  ) stored,
  attempt integer not null default 0,
  fence bigint not null default 0,
  nonce bigint not null default 0,
  cause text,
  dead_wall_ms bigint,
  failed_attempts integer[] not null default '{}',
  failed_walls bigint[] not null default '{}',
  failed_outcomes text[] not null default '{}',
  failed_reasons bytea[] not null default '{}',
  sent_ms bigint not null,
  sent_wall_ms bigint not null,
  size_bytes bigint not null,
  json_bytes bigint not null,
  priority smallint not null,
  grp text,
  dead_on_expiry boolean not null,
  attempts_max integer not null,
  retention_ms bigint not null,
  dead_retention_ms bigint not null,
  body_kind text not null,
  body bytea not null,
  headers bytea
) with (fillfactor = 70);
create index on mailbox_messages (partition, wake_ms, ord);
create index on mailbox_messages (box_id, priority desc, offered) where offered is not null;
create index on mailbox_messages (box_id, ord) where state <> 3;
create index on mailbox_messages (box_id, wake_ms) where state in (1, 2);
create index on mailbox_messages (box_id, grp, ord) where grp is not null and state <> 3;
create index on mailbox_messages (box_id, (due_ms - dead_retention_ms), id) where state = 3;
create index on mailbox_messages (id) where body_kind = 'address';
alter table mailbox_messages alter column body set storage external;

create function mailbox_moved(b bigint, p_ready bigint, p_delayed bigint, p_leased bigint, p_dead bigint, p_bytes bigint)
returns void language plpgsql as $$
declare
  d bigint := p_ready + p_delayed + p_leased + p_dead;
  x mailbox_boxes;
  n bigint;
  busier int;
begin
  update mailbox_boxes set ready = ready + p_ready, delayed = delayed + p_delayed, leased = leased + p_leased,
    dead = dead + p_dead, bytes = bytes + p_bytes,
    empty_ms = case when ready + delayed + leased + dead + d > 0 then null else (select last_value from mailbox_clock) end
  where id = b returning * into x;
  n := x.ready + x.delayed + x.leased + x.dead;
  busier := (n > 0)::int - (n - d > 0)::int;
  if d <> 0 or p_bytes <> 0 then
    insert into mailbox_usage as u values (x.tenant, x.partition, d, p_bytes, busier)
    on conflict (tenant, partition) do update
      set messages = u.messages + d, bytes = u.bytes + p_bytes, busy = u.busy + busier;
    if n = 0 then
      delete from mailbox_usage where tenant = x.tenant and partition = x.partition and messages = 0;
    end if;
  end if;
  update mailbox_partitions set ready = ready + p_ready, delayed = delayed + p_delayed, leased = leased + p_leased,
    dead = dead + p_dead, bytes = bytes + p_bytes
  where id = x.partition;
end $$;

create function mailbox_counted() returns trigger language plpgsql as $$
declare r record;
begin
  if tg_op = 'INSERT' then
    for r in select box_id, count(*) filter (where state = 0) a, count(*) filter (where state = 1) b,
        count(*) filter (where state = 2) c, count(*) filter (where state = 3) d, sum(size_bytes) s
      from fresh group by box_id loop
      perform mailbox_moved(r.box_id, r.a, r.b, r.c, r.d, r.s::bigint);
    end loop;
  elsif tg_op = 'DELETE' then
    for r in select box_id, count(*) filter (where state = 0) a, count(*) filter (where state = 1) b,
        count(*) filter (where state = 2) c, count(*) filter (where state = 3) d, sum(size_bytes) s
      from gone group by box_id loop
      perform mailbox_moved(r.box_id, -r.a, -r.b, -r.c, -r.d, -r.s::bigint);
    end loop;
  else
    for r in select n.box_id,
        count(*) filter (where n.state = 0) - count(*) filter (where o.state = 0) a,
        count(*) filter (where n.state = 1) - count(*) filter (where o.state = 1) b,
        count(*) filter (where n.state = 2) - count(*) filter (where o.state = 2) c,
        count(*) filter (where n.state = 3) - count(*) filter (where o.state = 3) d
      from gone o join fresh n using (id) where o.state <> n.state group by n.box_id loop
      perform mailbox_moved(r.box_id, r.a, r.b, r.c, r.d, 0);
    end loop;
  end if;
  return null;
end $$;
create trigger mailbox_inserted after insert on mailbox_messages
  referencing new table as fresh for each statement execute function mailbox_counted();
create trigger mailbox_deleted after delete on mailbox_messages
  referencing old table as gone for each statement execute function mailbox_counted();
create trigger mailbox_updated after update on mailbox_messages
  referencing old table as gone new table as fresh for each statement execute function mailbox_counted();
`;
