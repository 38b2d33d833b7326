import type { Clock, Log, Metrics } from '@ron/kernel';
import type { AuditRule, Operation } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { AuthenticatedPrincipal } from './access.ts';
import type { AuditEntry, AuditReceipt, AuditStage } from './stages.ts';

/** What is known of a call before its handler runs. */
export interface AuditedCall {
  /** `passport.issue`. */
  readonly op: string;
  readonly rule: AuditRule;
  readonly corrId: string;
  readonly principal: AuthenticatedPrincipal | undefined;
  readonly tenant: string;
  readonly resources: readonly string[];
  readonly input: unknown;
}

export interface AuditorOptions {
  /** The contract's name. */
  readonly service: string;
  readonly stage: AuditStage;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Refused calls cost their callers nothing, so they may not fill the log: entries at once, and a second. */
const refusalBurst = 200;
const refusalsPerSecond = 5;
/** Anybody can be refused without a capability, for as long as the node stands: 17,280 entries a day and service. */
const strangersPerSecond = 0.2;

class RefusalRoom {
  readonly #perSecond: number;
  #left = refusalBurst;
  #atMs = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  take(nowMs: number): boolean {
    const gained = ((nowMs - this.#atMs) / 1_000) * this.#perSecond;
    this.#left = Math.min(refusalBurst, this.#left + gained);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** Puts the calls of one service that have an audit rule into the log, in the order that their rule asks for. */
export class Auditor {
  readonly #options: AuditorOptions;
  readonly #suppressed;
  /** Apart, so that no number of strangers hides what the holder of a capability tried. */
  readonly #room = { strangers: new RefusalRoom(strangersPerSecond), known: new RefusalRoom(refusalsPerSecond) };
  #uncounted = 0;

  constructor(options: AuditorOptions) {
    this.#options = options;
    this.#suppressed = options.metrics
      .counter('audit_refusals_suppressed_total', 'Refused calls that were counted, not kept one by one')
      .labels();
  }

  /**
   * Runs a call between its entries. The receipt goes to `onReceipt` where the caller asked for one; `isReplay` says
   * afterwards whether the call was answered with the outcome of an earlier one.
   *
   * @throws RonError `unavailable` when a privileged call cannot be written down: before it is done, or, when the log
   * fails in between, after; then its intent is in the log, unless its caller needed no right for it.
   */
  async around<T>(
    call: AuditedCall,
    run: () => T | Promise<T>,
    { onReceipt, isReplay }: { onReceipt?: ((text: string) => void) | undefined; isReplay?: () => boolean } = {},
  ): Promise<T> {
    const { stage } = this.#options;
    const privileged = call.rule.level === 'privileged';
    // Who needs no right for it proves itself in the call, if at all: before that it may not make the log grow.
    const stranger = call.principal?.anonymous === true || call.resources.length === 0;
    if (privileged && stranger) stage.ready();
    else if (privileged) await stage.record(entryOf(call, 'intent'));
    let reply: T;
    try {
      reply = await run();
    } catch (thrown) {
      if (privileged && stranger) this.#refused(call, thrown);
      else if (privileged) await this.#recordFailure(entryOf(call, codeOf(thrown), undefined, reasonOf(thrown)));
      throw thrown;
    }
    const done = entryOf(call, 'ok', reply, isReplay?.() ? 'replayed' : undefined);
    if (!privileged && onReceipt === undefined) stage.offer(done);
    else await this.#settle(done, privileged, onReceipt);
    return reply;
  }

  /** A privileged call that a gate turned away. */
  refused(call: AuditedCall, error: RonError): void {
    if (call.rule.level === 'privileged') this.#refused(call, error);
  }

  #refused(call: AuditedCall, thrown: unknown): void {
    const { principal } = call;
    const room = principal === undefined || principal.anonymous ? this.#room.strangers : this.#room.known;
    // What a service has a reason to tell the log, and nobody else, it does not tell twice.
    const always = thrown instanceof RonError && thrown.auditReason !== undefined;
    if (!always && !room.take(this.#options.clock.monotonicMs())) {
      this.#uncounted += 1;
      this.#suppressed.inc();
      return;
    }
    this.noteSuppressed();
    this.#options.stage.offer(entryOf(call, codeOf(thrown), undefined, reasonOf(thrown)));
  }

  /** Puts the number of refusals that were not kept one by one into the log; also at the end, so that none is lost. */
  noteSuppressed(): void {
    if (this.#uncounted === 0) return;
    const { stage, service } = this.#options;
    const node = { corr_id: '', subject: 'node', capability_id: '', tenant: 'node', resources: ['admin/audit'] };
    const fields = { service, refusals: `${this.#uncounted}` };
    this.#uncounted = 0;
    stage.offer({ ...node, op: 'audit.suppressed', outcome: 'ok', fields });
  }

  async #settle(done: AuditEntry, privileged: boolean, onReceipt: ((text: string) => void) | undefined): Promise<void> {
    const { stage, log } = this.#options;
    const about = { corr_id: done.corr_id, op: done.op };
    let receipt: AuditReceipt;
    try {
      receipt = await stage.record(done);
    } catch (err) {
      log.error({ ...about, err }, 'a call was done and could not be audited');
      if (privileged) throw new RonError('unavailable', 'this was done, but its outcome could not be written down');
      // So that it is counted at least, as an event whose caller wants no receipt is.
      stage.offer(done);
      return;
    }
    if (onReceipt === undefined) return;
    try {
      onReceipt(await receipt.proof());
    } catch (err) {
      // Answered without it: who needs one sees that it is missing.
      log.error({ ...about, err }, 'an audited call got no receipt');
    }
  }

  /** The caller learns why the call failed; that its failure is not in the log either is for the operator. */
  async #recordFailure(entry: AuditEntry): Promise<void> {
    try {
      await this.#options.stage.record(entry);
    } catch (err) {
      this.#options.log.error({ corr_id: entry.corr_id, op: entry.op, err }, 'a refusal could not be audited');
    }
  }
}

/**
 * Throws for a rule that lists a field which there is not: it would leave a hole in the log that nobody sees; and for
 * one of an operation that answers with a stream, whose outcome nobody knows when its entry is due.
 */
export function checkAuditRule(op: string, { audit, input, output, body }: Operation): void {
  if (audit !== undefined && (body === 'out' || body === 'both')) {
    throw new Error(`${op} answers with a stream, which cannot be audited`);
  }
  for (const [names = [], schema] of [
    [audit?.input, input],
    [audit?.output, output],
  ] as const) {
    const missing = names.find((name) => !hasProperty(schema as Schema, name));
    if (missing !== undefined) throw new Error(`the audit rule of ${op} names a field that there is not: ${missing}`);
  }
}

interface Schema {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

function hasProperty({ properties, anyOf = [], allOf = [] }: Schema, name: string): boolean {
  if (properties !== undefined && Object.hasOwn(properties, name)) return true;
  return [...anyOf, ...allOf].some((each) => hasProperty(each, name));
}

export function auditedCall(
  op: string,
  rule: AuditRule,
  context: Pick<AuditedCall, 'corrId' | 'tenant' | 'principal'>,
  resources: readonly string[],
  input: unknown,
): AuditedCall {
  const { corrId, principal, tenant } = context;
  return { op, rule, corrId, principal, tenant, resources, input };
}

function entryOf(call: AuditedCall, outcome: AuditEntry['outcome'], output?: unknown, reason?: string): AuditEntry {
  const { op, rule, corrId, principal, tenant, resources, input } = call;
  return {
    op,
    outcome,
    corr_id: corrId,
    subject: principal?.subject ?? '',
    capability_id: principal?.capabilityId ?? '',
    tenant,
    resources: resources.map(masked),
    fields: { ...fieldsOf(input, rule.input), ...fieldsOf(output, rule.output) },
    ...(reason === undefined ? {} : { reason }),
  };
}

/** Capabilities, refresh tokens and bootstrap secrets, put by mistake where something else was asked for. */
const tokens = /\b(ron1b?_|ron[rb]_)[A-Za-z0-9_-]{16,}/g;

function masked(text: string): string {
  return text.includes('ron') ? text.replace(tokens, '$1[redacted]') : text;
}

function fieldsOf(value: unknown, names: readonly string[] = []): Record<string, string> {
  const fields: Record<string, string> = {};
  if (typeof value !== 'object' || value === null) return fields;
  for (const name of names) {
    const field = (value as Readonly<Record<string, unknown>>)[name];
    if (field !== undefined) fields[name] = masked(typeof field === 'string' ? field : JSON.stringify(field));
  }
  return fields;
}

function codeOf(thrown: unknown): RonError['code'] {
  return thrown instanceof RonError ? thrown.code : 'internal';
}

/** Services name their reasons by words of a bounded set; anything else is not for the log. */
function reasonOf(thrown: unknown): string | undefined {
  const reason = thrown instanceof RonError ? (thrown.auditReason ?? thrown.details?.['reason']) : undefined;
  return typeof reason === 'string' && /^[a-z_]{1,32}$/.test(reason) ? reason : undefined;
}
