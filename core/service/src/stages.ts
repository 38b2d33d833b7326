import type { Principal, ScopeMethod } from '@ron/proto/contract';
import type { ErrorCode } from '@ron/proto/errors';

/** One question to the policy: may this caller do this, given that its capability allows it? */
export interface PolicyRequest {
  /** `gateway.set_name`. */
  readonly op: string;
  readonly method: ScopeMethod;
  /** `n/docs/readme`, as in a capability's rights. */
  readonly resource: string;
  readonly principal: Principal;
  readonly tenant: string;
}

/** The policy stage of the pipeline, after the capability's own rights; it can only take away. */
export interface PolicyStage {
  /** Throws `forbidden`, whose `details.policy` is the id of the document that says no. A repeated question costs under 2 µs. */
  decide(request: PolicyRequest): void;
}

/** What the audit log keeps of a call. No field may hold a secret. */
export interface AuditEntry {
  /** `passport.issue`, or `audit.dropped` and the like for what the node itself notes. */
  readonly op: string;
  /** `intent` before the handler runs; `ok` or the code of the refusal after it. */
  readonly outcome: 'intent' | 'ok' | ErrorCode;
  readonly corr_id: string;
  readonly subject: string;
  readonly capability_id: string;
  readonly tenant: string;
  /** What the scopes asked for: `n/docs/readme`. */
  readonly resources: readonly string[];
  /** The fields that the contract's audit rule lists, as text. The log cuts what is longer than 512 characters, and says so. */
  readonly fields: Readonly<Record<string, string>>;
  /** Why it was refused, one of a bounded set; `replayed` for the answer of an earlier call with the same Idempotency-Key. */
  readonly reason?: string;
}

export interface AuditReceipt {
  /** Position of the entry in the log, from 0. */
  readonly index: number;
  /** Text that proves, to anyone with the log's public key, that the entry is in the log: see docs/specs/audit.md. */
  proof(): Promise<string>;
}

/** The stage around the handler, after every gate: docs/decisions/0010-what-is-audited.md. */
export interface AuditStage {
  /** Throws `unavailable` when it is known that nothing can be written now. */
  ready(): void;
  /** Resolves when the entry is on stable storage. Rejects with `unavailable` when the log cannot be written. */
  record(entry: AuditEntry): Promise<AuditReceipt>;
  /** Does not wait. What finds the queue full is dropped and counted, and the count becomes an entry. */
  offer(entry: AuditEntry): void;
}
