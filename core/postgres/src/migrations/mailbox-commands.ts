/** What callers of svc-mailbox ask for, as `src/state/machine.ts` there has it. All of them after `mailbox_enter`. */
export const mailboxCommands = `
create function mailbox_send(
  p smallint, now_ms bigint, p_tenant text, p_box text, p_id text, p_sent_wall_ms bigint, p_size bigint, p_json bigint,
  p_delay bigint, p_ttl bigint, p_dead_on_expiry boolean, p_grp text, p_priority smallint,
  p_kind text, p_body bytea, p_headers bytea, p_hash bytea, p_digest bytea, p_window bigint,
  p_attempts int, p_retention bigint, p_dead_retention bigint,
  max_keys bigint, max_tenant_messages bigint, max_tenant_bytes bigint, max_tenant_boxes bigint,
  max_messages bigint, max_bytes bigint, max_boxes bigint,
  out refusal text, out message_id text, out duplicate boolean, out retry_ms bigint
) language plpgsql as $$
declare
  k mailbox_keys;
  b mailbox_boxes;
  mine record;
  total record;
begin
  duplicate := false;
  message_id := p_id;
  if p_hash is not null then
    select * into k from mailbox_keys where hash = p_hash and until_ms > now_ms;
    if found and k.digest <> p_digest then refusal := 'key-conflict'; return; end if;
    if found then
      duplicate := true;
      message_id := k.id;
      update mailbox_boxes set duplicates = duplicates + 1 where tenant = p_tenant and name = p_box;
      return;
    end if;
  end if;
  if exists (select from mailbox_messages where id = p_id) then refusal := 'id'; return; end if;
  select * into b from mailbox_boxes where tenant = p_tenant and name = p_box for update;
  select coalesce(sum(messages), 0) messages, coalesce(sum(bytes), 0) bytes, coalesce(sum(busy), 0) busy
    into mine from mailbox_usage where tenant = p_tenant;
  select sum(ready + delayed + leased + dead) messages, sum(bytes) bytes, sum(boxes) boxes, sum(keys) keys
    into total from mailbox_partitions;
  if mine.messages >= max_tenant_messages then refusal := 'tenant-messages'; return; end if;
  if mine.bytes + p_size > max_tenant_bytes then refusal := 'tenant-bytes'; return; end if;
  if (b.id is null or b.ready + b.delayed + b.leased + b.dead = 0) and mine.busy >= max_tenant_boxes then
    refusal := 'tenant-boxes'; return;
  end if;
  if total.messages >= max_messages then refusal := 'messages'; return; end if;
  if total.bytes + p_size > max_bytes then refusal := 'bytes'; return; end if;
  if p_hash is not null and total.keys >= max_keys then
    refusal := 'keys';
    select greatest(1, min(until_ms) - now_ms) into retry_ms from mailbox_keys;
    return;
  end if;
  if b.id is null then
    if total.boxes >= max_boxes and mailbox_forget_boxes(p, 9223372036854775807, 1) = 0 then
      refusal := 'boxes'; return;
    end if;
    insert into mailbox_boxes (partition, tenant, name) values (p, p_tenant, p_box) returning * into b;
    update mailbox_partitions set boxes = boxes + 1 where id = p;
  end if;
  if p_hash is not null then
    insert into mailbox_keys values (p_hash, p_digest, p_id, now_ms + p_window)
    on conflict (hash) do update set digest = excluded.digest, id = excluded.id, until_ms = excluded.until_ms
    returning (xmax = 0) as fresh into mine;
    if mine.fresh then update mailbox_partitions set keys = keys + 1 where id = p; end if;
  end if;
  insert into mailbox_messages (id, partition, box_id, state, ord, offered, due_ms, expires_ms, sent_ms, sent_wall_ms,
    size_bytes, json_bytes, priority, grp, dead_on_expiry, attempts_max, retention_ms, dead_retention_ms, body_kind, body, headers)
  values (p_id, p, b.id, (p_delay > 0)::int, nextval('mailbox_order'),
    case when p_delay = 0 and p_grp is null then currval('mailbox_order') end, now_ms + p_delay,
    now_ms + least(p_ttl, p_retention), now_ms, p_sent_wall_ms, p_size, p_json, p_priority, p_grp, p_dead_on_expiry,
    p_attempts, p_retention, p_dead_retention, p_kind, p_body, p_headers);
  if p_delay = 0 and p_grp is not null then perform mailbox_offer(p_id); end if;
  update mailbox_boxes set sent = sent + 1 where id = b.id;
end $$;

create function mailbox_receive(
  now_ms bigint, p_tenant text, p_box text, most int, bytes_max bigint, visibility_ms bigint, p_nonce bigint
) returns setof mailbox_messages language plpgsql as $$
declare
  b bigint;
  taken text[];
  again bigint;
begin
  select id into b from mailbox_boxes where tenant = p_tenant and name = p_box;
  select array_agg(id order by n), count(*) filter (where attempt > 0) into taken, again from (
    select id, attempt, row_number() over line n, sum(json_bytes) over line total from (
      select id, attempt, json_bytes, priority, offered from mailbox_messages
      where box_id = b and offered is not null and expires_ms > now_ms order by priority desc, offered limit most) next
    window line as (order by priority desc, offered)) lined
  where n = 1 or total <= bytes_max;
  if taken is null then return; end if;
  update mailbox_messages m set state = 2, offered = null, attempt = attempt + 1, fence = fence + 1,
    due_ms = now_ms + visibility_ms, nonce = (p_nonce + t.n - 1) & 4294967295
  from unnest(taken) with ordinality t (id, n) where m.id = t.id;
  update mailbox_boxes set delivered = delivered + cardinality(taken), redelivered = redelivered + again where id = b;
  return query select m.* from unnest(taken) with ordinality t (id, n) join mailbox_messages m on m.id = t.id order by t.n;
end $$;

create function mailbox_settle(
  op text, now_ms bigint, wall_ms bigint, p_tenant text, p_box text, ids text[], fences bigint[], nonces bigint[],
  delay_ms bigint, reason bytea, visibility_ms bigint
) returns boolean[] language plpgsql as $$
declare
  b bigint;
  m mailbox_messages;
  good boolean[] := '{}';
begin
  select id into b from mailbox_boxes where tenant = p_tenant and name = p_box;
  for i in 1..cardinality(ids) loop
    select * into m from mailbox_messages
      where id = ids[i] and box_id = b and state = 2 and fence = fences[i] and nonce = nonces[i];
    good := good || found;
    continue when not found;
    if op = 'ack' then
      perform mailbox_vanish(m.id);
      update mailbox_boxes set acked = acked + 1 where id = b;
    elsif op = 'nack' then perform mailbox_fail(m, now_ms, 'nack', reason, delay_ms, wall_ms - now_ms);
    elsif op = 'extend' then update mailbox_messages set due_ms = now_ms + visibility_ms where id = m.id;
    else
      update mailbox_messages set attempt = attempt - 1 where id = m.id;
      if m.expires_ms <= now_ms then perform mailbox_expire(m, now_ms, wall_ms - now_ms);
      else perform mailbox_become_ready(m.id, true); end if;
    end if;
  end loop;
  return good;
end $$;

create function mailbox_remove(p_tenant text, p_box text, p_id text) returns boolean language plpgsql as $$
declare b bigint;
begin
  select x.id into b from mailbox_boxes x join mailbox_messages m on m.box_id = x.id
    where m.id = p_id and x.tenant = p_tenant and x.name = p_box;
  if b is null then return false; end if;
  perform mailbox_vanish(p_id);
  update mailbox_boxes set deleted = deleted + 1 where id = b;
  return true;
end $$;

-- Dead letters: those of ids, or the oldest. A damaged one has nothing to deliver and is not redriven.
create function mailbox_move(
  op text, now_ms bigint, p_tenant text, p_box text, ids text[], most int, out moved int, out remaining bigint
) language plpgsql as $$
declare
  b bigint;
  m mailbox_messages;
  chosen text[] := ids;
begin
  select id into b from mailbox_boxes where tenant = p_tenant and name = p_box;
  if b is null then return; end if;
  moved := 0;
  if chosen is null then
    select coalesce(array_agg(id order by died, id), '{}') into chosen from (
      select id, due_ms - dead_retention_ms died from mailbox_messages where box_id = b and state = 3
      order by due_ms - dead_retention_ms, id limit most) oldest;
  end if;
  for i in 1..cardinality(chosen) loop
    select * into m from mailbox_messages where id = chosen[i] and box_id = b and state = 3;
    continue when not found or (op = 'redrive' and m.cause = 'damaged');
    moved := moved + 1;
    if op = 'purge' then
      perform mailbox_vanish(m.id);
      update mailbox_boxes set deleted = deleted + 1 where id = b;
    else
      update mailbox_messages set state = 0, ord = nextval('mailbox_order'), attempt = 0, cause = null,
        expires_ms = now_ms + retention_ms where id = m.id;
      perform mailbox_offer(m.id);
    end if;
  end loop;
  select dead into remaining from mailbox_boxes where id = b;
end $$;

create function mailbox_quarantine(
  now_ms bigint, wall_ms bigint, p_tenant text, p_box text, p_id text
) returns boolean language plpgsql as $$
declare m mailbox_messages;
begin
  select x.* into m from mailbox_messages x join mailbox_boxes b on b.id = x.box_id
    where x.id = p_id and b.tenant = p_tenant and b.name = p_box;
  if not found then return false; end if;
  if m.state = 3 then update mailbox_messages set cause = 'damaged' where id = p_id;
  else perform mailbox_die(p_id, now_ms, 'damaged', wall_ms - now_ms); end if;
  return true;
end $$;
`;
