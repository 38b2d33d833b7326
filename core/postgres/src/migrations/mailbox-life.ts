/**
 * The steps in the life of a message, as `src/state/lifecycle.ts` of svc-mailbox has them. Whoever calls holds the partition.
 * `at_ms` is when a step was due, which may be before now; `wall` is wall time minus mailbox time, for what people are shown.
 */
export const mailboxLife = `
create function mailbox_offer(m_id text) returns void language sql as $$
  update mailbox_messages m set offered = nextval('mailbox_order')
  where id = m_id and state = 0 and offered is null and (grp is null or not exists (
    select from mailbox_messages o where o.box_id = m.box_id and o.grp = m.grp and o.state <> 3 and o.ord < m.ord))
$$;

create function mailbox_offer_next(b bigint, g text) returns void language plpgsql as $$
begin
  if g is null then return; end if;
  perform mailbox_offer(id) from (
    select id from mailbox_messages where box_id = b and grp = g and state <> 3 order by ord limit 1) first;
end $$;

create function mailbox_become_ready(m_id text, front boolean) returns void language plpgsql as $$
begin
  update mailbox_messages set state = 0, offered = case when front then -nextval('mailbox_order') end where id = m_id;
  if not front then perform mailbox_offer(m_id); end if;
end $$;

create function mailbox_vanish(m_id text) returns void language plpgsql as $$
declare x record;
begin
  delete from mailbox_messages where id = m_id returning box_id, grp into x;
  perform mailbox_offer_next(x.box_id, x.grp);
end $$;

create function mailbox_die(m_id text, at_ms bigint, why text, wall bigint) returns void language plpgsql as $$
declare x record;
begin
  update mailbox_messages set state = 3, offered = null, cause = why, dead_wall_ms = at_ms + wall,
    due_ms = at_ms + dead_retention_ms
  where id = m_id returning partition, box_id, grp into x;
  update mailbox_partitions set died_attempts = died_attempts + (why = 'attempts')::int,
    died_expired = died_expired + (why = 'expired')::int, died_damaged = died_damaged + (why = 'damaged')::int
  where id = x.partition;
  perform mailbox_offer_next(x.box_id, x.grp);
end $$;

create function mailbox_expire(m mailbox_messages, at_ms bigint, wall bigint) returns void language plpgsql as $$
begin
  update mailbox_boxes set expired = expired + 1 where id = m.box_id;
  update mailbox_partitions set expired = expired + 1 where id = m.partition;
  if m.dead_on_expiry then perform mailbox_die(m.id, at_ms, 'expired', wall);
  else perform mailbox_vanish(m.id); end if;
end $$;

-- Histories keep the latest 16. The backoff is full jitter: uniform below min(60 s, 200 ms * 2^attempt).
create function mailbox_fail(
  m mailbox_messages, at_ms bigint, outcome text, reason bytea, delay_ms bigint, wall bigint
) returns void language plpgsql as $$
declare
  wait_ms bigint := coalesce(delay_ms, floor(random() * least(60000, 200 * 2 ^ least(m.attempt, 20))));
  kept int := greatest(1, cardinality(m.failed_attempts) - 14);
begin
  update mailbox_messages set failed_attempts = failed_attempts[kept:] || m.attempt,
    failed_walls = failed_walls[kept:] || (at_ms + wall), failed_outcomes = failed_outcomes[kept:] || outcome,
    failed_reasons = array_append(failed_reasons[kept:], reason)
  where id = m.id;
  if m.attempt >= m.attempts_max then perform mailbox_die(m.id, at_ms, 'attempts', wall);
  elsif m.expires_ms <= at_ms then perform mailbox_expire(m, at_ms, wall);
  elsif wait_ms = 0 then perform mailbox_become_ready(m.id, false);
  else update mailbox_messages set state = 1, due_ms = at_ms + wait_ms where id = m.id;
  end if;
end $$;

-- Takes the lock of the partition and does what is due in it, at most 2,048 steps. Gives the time: that of this process, or
-- of whoever was furthest. What is forgotten may be of other partitions; only the sums over all of them count.
create function mailbox_enter(p smallint, own_ms bigint, wall_ms bigint) returns bigint language plpgsql as $$
declare
  now_ms bigint;
  m mailbox_messages;
  n bigint;
begin
  perform from mailbox_partitions where id = p for update;
  select last_value into now_ms from mailbox_clock;
  if own_ms > now_ms then now_ms := setval('mailbox_clock', own_ms); end if;
  for step in 1..2048 loop
    select * into m from mailbox_messages where partition = p and wake_ms <= now_ms order by wake_ms, ord limit 1;
    exit when not found;
    if m.state = 2 then perform mailbox_fail(m, m.wake_ms, 'expired', null, null, wall_ms - now_ms);
    elsif m.state = 3 then perform mailbox_vanish(m.id);
    elsif m.state = 0 or m.expires_ms <= m.wake_ms then perform mailbox_expire(m, m.wake_ms, wall_ms - now_ms);
    else perform mailbox_become_ready(m.id, false);
    end if;
  end loop;
  with old as (
    select hash from mailbox_keys where until_ms <= now_ms order by until_ms limit 256 for update skip locked
  ), dropped as (delete from mailbox_keys k using old where k.hash = old.hash returning 1)
  select count(*) into n from dropped;
  if n > 0 then update mailbox_partitions set keys = keys - n where id = p; end if;
  perform mailbox_forget_boxes(p, now_ms - 86400000, 256);
  return now_ms;
end $$;

-- Boxes that are empty since then. One that somebody is about to use is locked by him.
create function mailbox_forget_boxes(p smallint, since_ms bigint, most int) returns bigint language plpgsql as $$
declare n bigint;
begin
  with old as (
    select id from mailbox_boxes where empty_ms <= since_ms order by empty_ms limit most for update skip locked
  ), dropped as (delete from mailbox_boxes b using old where b.id = old.id returning 1)
  select count(*) into n from dropped;
  if n > 0 then update mailbox_partitions set boxes = boxes - n where id = p; end if;
  return n;
end $$;
`;
