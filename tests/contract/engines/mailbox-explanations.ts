import { isDeepStrictEqual } from 'node:util';
import type {
  AnyCommand,
  BoxKey,
  Delivery,
  LeasedMessage,
  MailboxModel,
  ModelMessage,
  ReceiveCommand,
} from './mailbox-model.ts';

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
  const died = new Map(
    model.dead(key).map(({ sent, attempt, cause, history, deadMs }) => {
      const past = history.map((one) => `${one.attempt} ${one.outcome} ${one.reason}`);
      return [`${sent.id} ${attempt} ${cause} ${past.join()}`, deadMs];
    }),
  );
  const count = (state: string) => all.filter((one) => one.state === state).length;
  const perhaps = all.filter(({ state, fromMs }) => state === 'delayed' && fromMs <= model.nowMs).length;
  const [ready, delayed, inFlight, bytes] = seen.counts;
  if (!isDeepStrictEqual(seen.alive, alive)) return `alive: ${seen.alive.join()} instead of ${alive.join()}`;
  if (!isDeepStrictEqual([...seen.dead].sort(), [...died.keys()].sort())) {
    return `dead: ${seen.dead.join(' | ')} instead of ${[...died.keys()].join(' | ')}`;
  }
  const isLater = (letter: string, index: number) => index > 0 && died.get(letter)! < died.get(seen.dead[index - 1]!)!;
  if (seen.dead.some(isLater)) return `dead, in another order: ${seen.dead.join(' | ')}`;
  const extra = ready! - count('ready');
  if (extra < 0 || extra > perhaps) return `${ready} ready instead of ${count('ready')}`;
  if (delayed !== count('delayed') - extra) return `${delayed} delayed instead of ${count('delayed')}`;
  if (inFlight !== count('leased')) return `${inFlight} in flight instead of ${count('leased')}`;
  return bytes === all.length * 100 ? undefined : `${bytes} bytes of ${all.length} messages`;
}

/** The model as it is after that outcome, once for each way to come to it; or why it does not. */
export function explanations(
  model: MailboxModel,
  command: AnyCommand | ReceiveCommand,
  outcome: unknown,
): { readonly models: MailboxModel[]; readonly reasons: string[] } {
  const models: MailboxModel[] = [];
  const reasons: string[] = [];
  for (const { after, reading } of readings(model, command)) {
    const reason = disagreement(after, reading, outcome);
    if (reason === undefined) models.push(after);
    else reasons.push(reason);
  }
  return { models, reasons };
}

function disagreement(model: MailboxModel, command: AnyCommand | ReceiveCommand, outcome: unknown): string | undefined {
  if (command.op === 'receive') return model.receive(command, outcome as LeasedMessage[]);
  const expected = applyTo(model, command);
  // A box that is empty may have been forgotten.
  if (outcome === undefined && isDeepStrictEqual(expected, { moved: 0, left: 0 })) return undefined;
  return isDeepStrictEqual(outcome, expected) ? undefined : JSON.stringify(expected);
}

interface Reading<C> {
  /** Not yet applied to. */
  readonly after: MailboxModel;
  readonly reading: C;
}

/** What a command can mean; the oldest dead letters are not always the same ones. */
function readings<C extends AnyCommand | ReceiveCommand>(model: MailboxModel, command: C): Reading<C>[] {
  if ((command.op !== 'redrive' && command.op !== 'purge') || command.ids !== undefined) {
    return [{ after: model, reading: command }];
  }
  return model.oldest(command, command.max).map((ids) => ({ after: model.clone(), reading: { ...command, ids } }));
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

interface Part {
  readonly model: MailboxModel;
  readonly whole: boolean;
}

/** What a command without an answer may have come to. */
export function outcomesOf(before: MailboxModel, command: AnyCommand | ReceiveCommand): Part[] {
  if (command.op === 'receive') return leasings(before, command, () => ({ nonce: unheard }));
  return readings(before, command).flatMap(({ reading }) => partsOf(before, reading));
}

export function wholeOutcomesOf(before: MailboxModel, command: AnyCommand | ReceiveCommand): MailboxModel[] {
  return wholeOnes(outcomesOf(before, command));
}

/** What leasings that were answered may have come to when the answer leaves out what was gone by then. */
export function wholeLeasingsOf(
  before: MailboxModel,
  command: ReceiveCommand,
  delivered: readonly LeasedMessage[],
  canVanish: (id: string) => boolean,
): MailboxModel[] {
  const heard = new Set(delivered.map(({ id }) => id));
  return wholeOnes(
    leasings(before, command, ({ sent }, index) => {
      const nonce = command.nonce + index;
      const here = delivered.find((one) => one.nonce === nonce);
      if (here !== undefined) return here.id === sent.id ? { nonce } : undefined;
      return !heard.has(sent.id) && canVanish(sent.id) ? { nonce: unheard } : undefined;
    }).filter(({ model }) => delivered.every((one) => model.holds(one))),
  );
}

function wholeOnes(parts: readonly Part[]): MailboxModel[] {
  return parts.filter(({ whole }) => whole).map(({ model }) => model);
}

function partsOf(before: MailboxModel, command: AnyCommand): Part[] {
  const parts: Part[] = [];
  const add = (part: AnyCommand, whole: boolean) => {
    const model = before.clone();
    applyTo(model, part);
    parts.push({ model, whole });
  };
  add(command, true);
  if ('leases' in command) {
    for (let count = 1; count < command.leases.length; count += 1) {
      add({ ...command, leases: command.leases.slice(0, count) }, false);
    }
  } else if (command.op === 'redrive' || command.op === 'purge') {
    for (let count = 1; count < command.ids!.length; count += 1) {
      add({ ...command, ids: command.ids!.slice(0, count) }, false);
    }
  }
  return parts;
}

/** The nonce of a lease that nobody heard of: no token has it, so it does not matter in which order they were taken. */
const unheard = -1;

/** Each set of messages that may have been leased; `leaseOf` undefined: not that one as the one of that number. */
function leasings(
  before: MailboxModel,
  command: ReceiveCommand,
  leaseOf: (message: ModelMessage, index: number) => Pick<Delivery, 'nonce'> | undefined,
): Part[] {
  const parts = new Map<string, Part>();
  const take = (taken: readonly Delivery[]) => {
    const set = taken.map(({ id }) => id).sort();
    if (parts.has(set.join())) return;
    const model = before.clone();
    const reason = model.receive(command, taken);
    if (reason !== undefined && !reason.endsWith('was left')) return;
    parts.set(set.join(), { model, whole: reason === undefined });
    if (taken.length === command.max) return;
    for (const message of model.candidates(command)) {
      const lease = leaseOf(message, taken.length);
      const { sent, attempt, fence } = message;
      if (lease !== undefined) take([...taken, { id: sent.id, attempt: attempt + 1, fence: fence + 1, ...lease }]);
    }
  };
  take([]);
  return [...parts.values()];
}

/** Without those that are the same from now on. */
export function distinct(models: readonly MailboxModel[]): MailboxModel[] {
  return [...new Map(models.map((model) => [fingerprint(model), model])).values()];
}

function fingerprint({ nowMs, messages, keys }: MailboxModel): string {
  return JSON.stringify([nowMs, messages, [...keys]], (name, value: unknown) => {
    if (name === 'sent') return (value as ModelMessage['sent']).id;
    return typeof value === 'number' ? String(value) : value;
  });
}
