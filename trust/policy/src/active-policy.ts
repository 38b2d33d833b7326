import type { PolicyDocument } from './document.ts';
import type { SignedPolicy } from './signing.ts';

/** The policy in force. */
export interface ActivePolicy {
  readonly id: string;
  readonly version: number;
  readonly document: PolicyDocument;
  readonly activatedMs: number;
  readonly signed: SignedPolicy;
}

export interface Activation {
  readonly policy: string;
  readonly version: number;
  readonly activated_at: number;
  readonly previous?: string;
  readonly break_change: boolean;
  readonly reason?: string;
  /** Whose signatures counted. */
  readonly signers: readonly string[];
}
