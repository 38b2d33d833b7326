import { SystemError } from '@ron/kernel';
import { MailboxBench, type MailboxHarness, messageId, sendCommand } from './mailbox-calls.ts';
import {
  difference,
  distinct,
  explanations,
  isChange,
  type Look,
  outcomesOf,
  wholeLeasingsOf,
  wholeOutcomesOf,
} from './mailbox-explanations.ts';
import {
  type AnyCommand,
  type BoxKey,
  type LeasedMessage,
  MailboxModel,
  type ReceiveCommand,
  type SettleCommand,
} from './mailbox-model.ts';
import type { Step } from './mailbox-steps.ts';

const dayMs = 86_400_000;
const boxes: readonly BoxKey[] = [
  { tenant: 't', box: 'b' },
  { tenant: 't', box: 'c' },
];
/** A message that is never touched: its age tells the time of the mailbox clock. */
const marker = { tenant: 'clock', box: 'clock' };
/**
 * Explanations that are followed at a time. Nine messages that are ready in an unknown order, three leasings of four of them
 * whose answers nobody heard: about 5,000.
 */
const modelsMax = 20_000;

interface Running {
  readonly command: AnyCommand | ReceiveCommand;
  /** Set when the answer came. */
  outcome?: unknown;
}

/** An engine beside all the states of the model that explain what it has answered; there must always be one. */
export class MailboxTrial implements AsyncDisposable {
  readonly bench: MailboxBench;
  /** Disk operations since the start. */
  operations = 0;
  #models: readonly MailboxModel[];
  /** The same as of the last answer: what a power cut may not take back. */
  #kept: readonly MailboxModel[];
  #offsetMs = 0;
  /** Mailbox time of the last answered change. */
  #recordedMs = 0;
  #markedMs = 0;
  #sent = 0;
  #nonce = 1;
  readonly #leases: LeasedMessage[] = [];
  #onCut: () => void = () => undefined;

  private constructor(harness: MailboxHarness) {
    const settings = {
      attempts_max: 3,
      retention_ms: 365 * dayMs,
      dead_retention_ms: 2 * dayMs,
      tenant_messages_max: 9,
    };
    this.bench = new MailboxBench(harness, { ...settings, idempotency_window_ms: dayMs });
    const limits = { attemptsMax: 3, retentionMs: 3 * dayMs, deadRetentionMs: 2 * dayMs, keyWindowMs: dayMs };
    this.#models = [new MailboxModel({ ...limits, tenantMessagesMax: 9 }, 0)];
    this.#kept = this.#models.map((model) => model.clone());
  }

  /** With `cutAt` the power fails before the disk operation of that number. */
  static async open(harness: MailboxHarness, cutAt = Number.POSITIVE_INFINITY): Promise<MailboxTrial> {
    const trial = new MailboxTrial(harness);
    const { bench } = trial;
    await bench.start();
    await bench.send({ ...marker, id: messageId(1_000_000) });
    bench.set({ retention_ms: 3 * dayMs });
    trial.#markedMs = bench.env.scheduler.nowMs;
    trial.#countOperations(cutAt);
    return trial;
  }

  #countOperations(cutAt: number): void {
    const { bench } = this;
    const { faults } = bench.env.machineDisk;
    const check = faults.check.bind(faults);
    faults.check = (operation) => {
      this.operations += 1;
      if (this.operations === cutAt) {
        faults.check = check;
        bench.env = bench.env.crash();
        this.#onCut();
        // The process that asked is dead and hears nothing of it.
        throw new SystemError('EIO', 'power cut');
      }
      check(operation);
    };
  }

  /** Throws what no state of the model explains. Several steps at once are given to the engine before it answers any. */
  async run(steps: readonly Step[]): Promise<void> {
    const commands: (AnyCommand | ReceiveCommand)[] = [];
    for (const one of steps) {
      if (one.kind === 'pass') await this.bench.pass(one.ms);
      else if (one.kind === 'restart') await this.#restart(one);
      else commands.push(this.#command(one));
    }
    this.#advance();
    if (commands.length > 0) await this.#execute(commands);
    if ((await this.#compare()) === 'cut') await this.#reopen(this.#kept);
  }

  #advance(): void {
    const nowMs = this.bench.env.scheduler.nowMs - this.#offsetMs;
    for (const model of this.#models) model.advance(nowMs);
  }

  #command(one: Exclude<Step, { readonly kind: 'pass' | 'restart' }>): AnyCommand | ReceiveCommand {
    const key = { tenant: 't', box: one.box };
    if (one.kind === 'send') {
      this.#sent += 1;
      const { kind: _, ...options } = one;
      return sendCommand(this.#sent, options as Parameters<typeof sendCommand>[1]);
    }
    if (one.kind === 'receive') {
      this.#nonce += 10;
      const { max, bytesMax, visibilityMs } = one;
      return { op: 'receive', ...key, max, bytesMax, visibilityMs, nonce: this.#nonce };
    }
    if (one.kind === 'settle') {
      const { op, delayMs, visibilityMs } = one;
      const leases = one.leases.map((index) => this.#leases.at(-1 - index));
      return { op, ...key, leases, delayMs, visibilityMs, reason: 'why', wallMs: 1 } as SettleCommand;
    }
    const id = messageId(1 + ((one.which ?? 0) % (this.#sent + 1)));
    if (one.kind === 'remove' || one.kind === 'quarantine') return { op: one.kind, ...key, id };
    return { op: one.kind, ...key, ids: one.which === undefined ? undefined : [id], max: 2 };
  }

  async #execute(commands: readonly (AnyCommand | ReceiveCommand)[]): Promise<void> {
    const { engine } = this.bench;
    const running: Running[] = commands.map((command) => ({ command }));
    const ask = async (one: Running) => {
      const { command } = one;
      one.outcome = await (command.op === 'receive' ? engine.receive(command) : engine.execute(command));
    };
    const isCut = (await this.#orCut(() => Promise.all(running.map(ask)))) === undefined;
    // Boxes that nobody has sent to have no dead letters to move: their answer is undefined.
    const isAnswered = ({ outcome }: Running) => outcome !== undefined || !isCut;
    const answers = running.findLastIndex(isAnswered) + 1;
    for (const one of running.slice(0, answers)) this.#take(one, isAnswered(one), commands);
    for (const { command, outcome } of running) {
      const isNew = (lease: LeasedMessage) => !this.#leases.includes(lease);
      if (command.op === 'receive' && Array.isArray(outcome)) this.#leases.push(...outcome.filter(isNew));
    }
    // What changes nothing is not written down, and neither is its moment.
    if (running.some((one) => isAnswered(one) && isChange(one.outcome))) this.#keep();
    if (isCut) await this.#afterCut(running.slice(answers).map(({ command }) => command));
  }

  #keep(): void {
    this.#kept = this.#models.map((model) => model.clone());
    this.#recordedMs = this.#kept[0]!.nowMs;
  }

  /** Undefined: the power failed meanwhile. */
  #orCut<T>(work: () => Promise<T>): Promise<T | undefined> {
    const cut = Promise.withResolvers<undefined>();
    this.#onCut = () => cut.resolve(undefined);
    return this.bench.settle(Promise.race([cut.promise, work()]));
  }

  /** Goes on with the models that come to what was answered, or else to anything that they can. */
  #take(one: Running, isAnswered: boolean, together: readonly (AnyCommand | ReceiveCommand)[]): void {
    const { command, outcome } = one;
    // What came before something durable is durable too, although its answer was still on the way.
    if (!isAnswered) {
      this.#follow(this.#models.flatMap((model) => wholeOutcomesOf(model, command)));
      return;
    }
    const removed = together.flatMap((other) => (other.op === 'remove' ? [other.id] : []));
    const purges = together.some(({ op }) => op === 'purge');
    // What is removed while it is read is left out of the answer.
    if (command.op !== 'receive' || (removed.length === 0 && !purges)) this.#explain(one);
    else {
      const canVanish = (id: string) => purges || removed.includes(id);
      const delivered = outcome as LeasedMessage[];
      this.#follow(this.#models.flatMap((model) => wholeLeasingsOf(model, command, delivered, canVanish)));
      this.#expectSome(one, []);
    }
  }

  /** Keeps the models that come to the same outcome. */
  #explain(one: Running): void {
    const reasons: string[] = [];
    const left = this.#models.flatMap((model) => {
      const explained = explanations(model, one.command, one.outcome);
      reasons.push(...explained.reasons);
      return explained.models;
    });
    this.#follow(left);
    this.#expectSome(one, reasons);
  }

  #expectSome({ command, outcome }: Running, reasons: readonly string[]): void {
    if (this.#models.length > 0) return;
    throw new Error(`unexplained: ${JSON.stringify(command)} → ${JSON.stringify(outcome)}: ${JSON.stringify(reasons)}`);
  }

  #follow(models: readonly MailboxModel[]): void {
    this.#models = models.length > this.#models.length ? boundedOf(models) : models;
  }

  async #restart({ how, downMs }: Extract<Step, { readonly kind: 'restart' }>): Promise<void> {
    if (!this.bench.harness.durable) return;
    const { bench } = this;
    const stopped =
      how === 'stop' &&
      (await this.#orCut(() => Promise.resolve(bench.engine[Symbol.asyncDispose]()).then(() => true)));
    // Otherwise there is a new process already.
    if (stopped !== undefined) bench.env = how === 'power cut' ? bench.env.crash() : bench.env.kill();
    await bench.pass(downMs);
    await this.#reopen(this.#kept);
  }

  /** Of what was not answered, a beginning is there, down to single messages of one command. */
  async #afterCut(commands: readonly (AnyCommand | ReceiveCommand)[]): Promise<void> {
    let ends = this.#models;
    // What was answered may have changed nothing itself, and yet show that what came before it is durable.
    const possible = [...this.#kept, ...this.#models];
    for (const command of commands) {
      const parts = ends.flatMap((model) => outcomesOf(model, command));
      possible.push(...parts.map(({ model }) => model));
      ends = boundedOf(parts.filter(({ whole }) => whole).map(({ model }) => model));
    }
    await this.#reopen(boundedOf(possible));
  }

  async #reopen(possible: readonly MailboxModel[]): Promise<void> {
    const { bench } = this;
    const crashedMs = bench.env.scheduler.nowMs - this.#offsetMs;
    // The power may fail once more, while it starts.
    const started = await this.#orCut(() => bench.starting().then(() => true));
    if (started === undefined) await bench.start();
    const nowMs = this.#markedMs + (await bench.settle(Promise.resolve(bench.engine.stats(marker))))!.oldestAgeMs;
    if (nowMs < this.#recordedMs) throw new Error(`the mailbox clock went back: ${nowMs} < ${this.#recordedMs}`);
    if (nowMs > crashedMs)
      throw new Error(`the mailbox clock went on while the node was down: ${nowMs} > ${crashedMs}`);
    if (bench.damage.length > 0) throw new Error(`damage after a crash: ${bench.damage.join()}`);
    this.#offsetMs = bench.env.scheduler.nowMs - nowMs;
    this.#models = possible.map((model) => model.clone());
    for (const model of this.#models) {
      model.restart();
      model.advance(nowMs);
    }
    if ((await this.#compare()) === 'cut') await this.#reopen(possible);
    else this.#keep();
  }

  /** Keeps the models that show the same. */
  async #compare(): Promise<'cut' | undefined> {
    const seen: Look[] = [];
    for (const key of boxes) {
      const look = await this.#orCut(() => this.#look(key));
      if (look === undefined) return 'cut';
      seen.push(look);
    }
    const reasons: string[] = [];
    this.#models = this.#models.filter((model) => {
      const wrong = boxes.map((key, index) => difference(model, key, seen[index]!)).find((one) => one !== undefined);
      if (wrong !== undefined) reasons.push(wrong);
      return wrong === undefined;
    });
    if (this.#models.length === 0) throw new Error(`no model shows what the engine shows: ${reasons.join('; ')}`);
    return undefined;
  }

  async #look(key: BoxKey): Promise<Look> {
    const { bench } = this;
    const peeked = await bench.engine.peek(key, { order: 0, id: '' }, 1_000);
    const letters = await bench.engine.deadLetters(key, undefined, 1_000);
    const stats = await bench.engine.stats(key);
    return {
      alive: peeked.items.map(({ id, attempt }) => `${id} ${attempt}`),
      dead: (letters?.items ?? []).map(({ id, attempt, cause, history }) => {
        const past = history.map((one) => `${one.attempt} ${one.outcome} ${one.reason}`);
        return `${id} ${attempt} ${cause} ${past.join()}`;
      }),
      counts: [stats?.ready ?? 0, stats?.delayed ?? 0, stats?.inFlight ?? 0, stats?.bytes ?? 0],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bench[Symbol.asyncDispose]();
  }
}

function boundedOf(models: readonly MailboxModel[]): readonly MailboxModel[] {
  const followed = distinct(models);
  if (followed.length > modelsMax) throw new Error(`${followed.length} explanations are too many`);
  return followed;
}
