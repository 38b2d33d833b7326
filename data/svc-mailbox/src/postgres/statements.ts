import type { Statement } from '@ron/postgres';

/** 1 partition, 2 the mailbox time of this process, 3 the wall clock. What the partition had counted before, and the time. */
export const enter: Statement = {
  name: 'mailbox-enter',
  text: `
with before as (select expired, died_attempts, died_expired, died_damaged from mailbox_partitions where id = $1 for update)
select before.*, mailbox_enter($1::smallint, $2, $3) as now_ms from before`,
};

export const leave: Statement = {
  name: 'mailbox-leave',
  text: 'select expired, died_attempts, died_expired, died_damaged from mailbox_partitions where id = $1',
};

export const send: Statement = {
  name: 'mailbox-send',
  text: `
select refusal, message_id as id, duplicate, retry_ms from mailbox_send($1::smallint, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
  $13::smallint, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)`,
};

const content = 'id, grp, priority, sent_wall_ms, body_kind, body, headers';

export const receive: Statement = {
  name: 'mailbox-receive',
  text: `select ${content}, attempt, fence, nonce from mailbox_receive($1, $2, $3, $4, $5, $6, $7)`,
};

export const settle: Statement = {
  name: 'mailbox-settle',
  text: 'select mailbox_settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as good',
};

export const remove: Statement = { name: 'mailbox-remove', text: 'select mailbox_remove($1, $2, $3) as done' };

export const move: Statement = {
  name: 'mailbox-move',
  text: 'select moved, remaining as "left" from mailbox_move($1, $2, $3, $4, $5, $6)',
};

export const quarantine: Statement = {
  name: 'mailbox-quarantine',
  text: 'select mailbox_quarantine($1, $2, $3, $4, $5) as done',
};

/** The parts of a page: at most $limit messages, and at most $bytes of them as JSON but always one. */
function page(where: string, order: string, limit: string, bytes: string): string {
  return `
select m.*, chosen.line from (
  select id, row_number() over line as line, sum(json_bytes) over line as total from (
    select id, json_bytes, ${order} as place from mailbox_messages m where ${where} order by ${order}, id limit ${limit}) few
  window line as (order by place, id)) chosen
join mailbox_messages m using (id) where line = 1 or total <= ${bytes} order by line`;
}

const boxOf = '(select id from mailbox_boxes where tenant = $1 and name = $2)';
const died = '(due_ms - dead_retention_ms)';

export const hasBox: Statement = {
  name: 'mailbox-box',
  text: 'select 1 as one from mailbox_boxes where tenant = $1 and name = $2',
};

export const listDead: Statement = {
  name: 'mailbox-dead',
  text: `
select ${content}, attempt, ${died} as ord, cause, dead_wall_ms, failed_attempts, failed_walls, failed_outcomes, failed_reasons
from (${page(`box_id = ${boxOf} and state = 3 and (${died}, id) > ($3::bigint, $4::text)`, died, '$5', '$6')}) page order by line`,
};

export const listAlive: Statement = {
  name: 'mailbox-alive',
  text: `select ${content}, attempt, ord from (${page(`box_id = ${boxOf} and state <> 3 and ord > $3`, 'ord', '$4', '$5')}) page order by line`,
};

/** The place of the message that was sent last, to any box. */
export const lastOrder: Statement = {
  name: 'mailbox-last',
  text: 'select case when is_called then last_value else last_value - 1 end as ord from mailbox_order',
};

const counts = `b.name as box, b.ready, b.delayed, b.leased, b.dead, b.bytes, b.sent, b.duplicates, b.delivered, b.redelivered, b.acked,
  b.expired, b.deleted, (select sent_ms from mailbox_messages where box_id = b.id and state <> 3 order by ord limit 1) as oldest_ms`;

export const readStats: Statement = {
  name: 'mailbox-stats',
  text: `select ${counts} from mailbox_boxes b where tenant = $1 and name = $2`,
};

export const listBoxes: Statement = {
  name: 'mailbox-boxes',
  text: `select ${counts} from mailbox_boxes b where tenant = $1 and ($2::text is null or name > $2) order by name limit $3`,
};

export const listAddressed: Statement = {
  name: 'mailbox-addressed',
  text: `
select b.tenant, b.name as box, m.id, convert_from(m.body, 'UTF8') as address
from mailbox_messages m join mailbox_boxes b on b.id = m.box_id
where m.body_kind = 'address' and m.id > $1 order by m.id limit $2`,
};

export const readTotals: Statement = {
  name: 'mailbox-totals',
  text: `
select sum(boxes)::bigint as boxes, sum(keys)::bigint as keys, sum(ready)::bigint as ready, sum(delayed)::bigint as delayed,
  sum(leased)::bigint as "inFlight", sum(dead)::bigint as dead, sum(bytes)::bigint as bytes from mailbox_partitions`,
};

/** How much can be leased, up to 3; when time next changes something; the last message alive. */
export const look: Statement = {
  name: 'mailbox-look',
  text: `
with b as (select id from mailbox_boxes where tenant = $1 and name = $2)
select (select count(*) from (select from mailbox_messages where box_id = b.id and offered is not null limit $3) few) as offered,
  (select min(wake_ms) from mailbox_messages where box_id = b.id and state in (1, 2)) as next_ms,
  (select max(ord) from mailbox_messages where box_id = b.id and state <> 3) as last_order
from b`,
};

/** Partitions in which something is due. */
export const listDue: Statement = {
  name: 'mailbox-due',
  text: `
select id from mailbox_partitions p
where exists (select from mailbox_messages m where m.partition = p.id and m.wake_ms <= $1)`,
};
