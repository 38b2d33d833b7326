import type { Counter, Metrics } from '@ron/kernel';
import type { MailboxEngine, Totals } from './engine/engine.ts';

/** What an operator sees of mailboxes; no box or tenant is a label. Refreshed when somebody looks. */
export function measure(metrics: Metrics, mailboxes: MailboxEngine): Disposable {
  const messages = metrics.gauge('mailbox_messages', 'Messages by state', ['state']);
  const boxes = metrics.gauge('mailbox_boxes', 'Boxes, empty ones included').labels();
  const bytes = metrics.gauge('mailbox_bytes', 'Bytes of bodies and headers').labels();
  const keys = metrics.gauge('mailbox_idempotency_keys', 'Idempotency keys remembered').labels();
  const events = metrics.counter('mailbox_events_total', 'What happened to messages', ['event']);
  const dead = metrics.counter('mailbox_dead_letters_total', 'Messages that became dead letters', ['reason']);
  const log = metrics.counter('mailbox_log_total', 'Work of the log', ['what']);
  const shown = shownOf(mailboxes);
  const show = (counter: Counter, total: number) => {
    counter.inc(total - (shown.get(counter) ?? 0));
    shown.set(counter, total);
  };
  const setTotals = (totals: Totals) => {
    messages.labels({ state: 'ready' }).set(totals.ready);
    messages.labels({ state: 'delayed' }).set(totals.delayed);
    messages.labels({ state: 'in_flight' }).set(totals.inFlight);
    messages.labels({ state: 'dead' }).set(totals.dead);
    boxes.set(totals.boxes);
    bytes.set(totals.bytes);
    keys.set(totals.keys);
  };
  return metrics.onCollect(() => {
    const now = mailboxes.totals();
    if (!(now instanceof Promise)) setTotals(now);
    // An engine that must ask for them: seen with the next look. While it cannot be asked, they stay as they were.
    else now.then(setTotals, () => undefined);
    const { dead: deaths, log: written, ...counted } = mailboxes.counters;
    for (const [event, total] of Object.entries(counted)) show(events.labels({ event: wireName(event) }), total);
    for (const [reason, total] of Object.entries(deaths)) show(dead.labels({ reason }), total);
    for (const [what, total] of Object.entries(written ?? {})) show(log.labels({ what: wireName(what) }), total);
  });
}

/** What has been counted of an engine. It may outlive the service that shows it, which then goes on. */
const shownByEngine = new WeakMap<MailboxEngine, Map<Counter, number>>();

function shownOf(mailboxes: MailboxEngine): Map<Counter, number> {
  const shown = shownByEngine.get(mailboxes) ?? new Map<Counter, number>();
  shownByEngine.set(mailboxes, shown);
  return shown;
}

/** `staleLeases` → `stale_leases`. */
function wireName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
