import { isDeepStrictEqual } from 'node:util';
import type { AnyCommand, BoxKey, LeasedMessage, MailboxModel, ReceiveCommand } from './mailbox-model.ts';

/** Whether the answer is one of something that was written. */
export function isChange(outcome: unknown): boolean {
  if (Array.isArray(outcome)) return outcome.some((one) => one !== false);
  const { duplicate, moved = 0 } = Object(outcome) as { readonly duplicate?: boolean; readonly moved?: number };
  return outcome === true || duplicate === false || moved > 0;
}

/** What an engine shows of a box. */
export interface Look {
  readonly alive: readonly string[];
  readonly dead: readonly string[];
  /** Ready, delayed, in flight, bytes. */
  readonly counts: readonly number[];
}

/** Why the model does not show that; undefined: it does. */
export function difference(model: MailboxModel, key: BoxKey, seen: Look): string | undefined {
  const all = model.inBox(key);
  const alive = all.filter(({ state }) => state !== 'dead').map(({ sent, attempt }) => `${sent.id} ${attempt}`);
  const dead = model.dead(key).map(({ sent, attempt, cause, history }) => {
    const past = history.map((one) => `${one.attempt} ${one.outcome} ${one.reason}`);
    return { ms: 0, text: `${sent.id} ${attempt} ${cause} ${past.join()}` };
  });
  const count = (state: string) => all.filter((one) => one.state === state).length;
  const perhaps = all.filter(({ state, fromMs }) => state === 'delayed' && fromMs <= model.nowMs).length;
  const [ready, delayed, inFlight, bytes] = seen.counts;
  const letters = dead.map(({ text }) => text);
  if (!isDeepStrictEqual(seen.alive, alive)) return `alive: ${seen.alive.join()} instead of ${alive.join()}`;
  if (!isDeepStrictEqual([...seen.dead].sort(), letters.sort())) {
    return `dead: ${seen.dead.join(' | ')} instead of ${letters.join(' | ')}`;
  }
  const extra = ready! - count('ready');
  if (extra < 0 || extra > perhaps) return `${ready} ready instead of ${count('ready')}`;
  if (delayed !== count('delayed') - extra) return `${delayed} delayed instead of ${count('delayed')}`;
  if (inFlight !== count('leased')) return `${inFlight} in flight instead of ${count('leased')}`;
  return bytes === all.length * 100 ? undefined : `${bytes} bytes of ${all.length} messages`;
}

/** Why the model does not come to that outcome; undefined: it does. */
export function disagreement(
  model: MailboxModel,
  command: AnyCommand | ReceiveCommand,
  outcome: unknown,
): string | undefined {
  if (command.op === 'receive') return model.receive(command, outcome as LeasedMessage[]);
  const expected = applyTo(model, command);
  // A box that is empty may have been forgotten.
  if (outcome === undefined && isDeepStrictEqual(expected, { moved: 0, left: 0 })) return undefined;
  return isDeepStrictEqual(outcome, expected) ? undefined : JSON.stringify(expected);
}

function applyTo(model: MailboxModel, command: AnyCommand): unknown {
  switch (command.op) {
    case 'send':
      return model.send(command);
    case 'remove':
      return model.remove(command, command.id);
    case 'quarantine':
      return model.quarantine(command, command.id);
    case 'redrive':
      return model.redrive(command);
    case 'purge':
      return model.purge(command);
    default:
      return model.settle(command);
  }
}

export function wholeOutcomesOf(before: MailboxModel, command: AnyCommand | ReceiveCommand): MailboxModel[] {
  return outcomesOf(before, command)
    .filter(({ whole }) => whole)
    .map(({ model }) => model);
}

interface Part {
  readonly model: MailboxModel;
  readonly whole: boolean;
}

/** What a command without an answer may have come to. */
export function outcomesOf(before: MailboxModel, command: AnyCommand | ReceiveCommand): Part[] {
  if (command.op === 'receive') return leasings(before, command, []);
  const whole = before.clone();
  applyTo(whole, command);
  const parts: Part[] = [{ model: whole, whole: true }];
  if ('leases' in command) {
    for (let count = 1; count < command.leases.length; count += 1) {
      const part = before.clone();
      applyTo(part, { ...command, leases: command.leases.slice(0, count) });
      parts.push({ model: part, whole: false });
    }
  } else if ((command.op === 'redrive' || command.op === 'purge') && command.ids === undefined) {
    const part = before.clone();
    applyTo(part, { ...command, max: 1 });
    parts.push({ model: part, whole: false });
  }
  return parts;
}

function leasings(before: MailboxModel, command: ReceiveCommand, taken: LeasedMessage[]): Part[] {
  const model = before.clone();
  const whole = model.receive(command, taken) === undefined;
  const parts: Part[] = [{ model, whole }];
  const left = model.candidates(command);
  if (taken.length === command.max) return parts;
  for (const { sent, attempt, fence } of left) {
    const lease = { id: sent.id, attempt: attempt + 1, fence: fence + 1, nonce: command.nonce + taken.length };
    const more = [...taken, lease as LeasedMessage];
    const reason = before.clone().receive(command, more);
    if (reason === undefined || reason.endsWith('was left')) parts.push(...leasings(before, command, more));
  }
  return parts;
}
