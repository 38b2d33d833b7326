import { type KeyObject, verify } from 'node:crypto';
import { type Proof, parseProof, proofMessage, proofWindowMs } from '@ron/cap';
import type { Clock } from '@ron/kernel';

/**
 * Nonces that are remembered, over all keys. The tokens of one subject get half of them: it alone cannot shut out
 * everybody, also not with many keys, to which a holder can bind what it attenuates.
 */
export const noncesMax = 100_000;

export type ProofFault =
  | 'proof_missing'
  | 'proof_malformed'
  | 'proof_expired'
  | 'proof_wrong'
  | 'proof_replayed'
  | 'proofs_full';

/** What a request brings beside its token, and the token's own part in it. */
export interface Possession {
  readonly proof: string | undefined;
  readonly request: string | undefined;
  /** The holder's key as the capability spells it. */
  readonly holder: string;
  readonly key: KeyObject;
  readonly tokenHash: Uint8Array;
  /** Whose token it is; nothing that a holder can choose. */
  readonly owner: string;
}

interface Slot {
  readonly entries: { readonly nonce: string; readonly owner: string }[];
  newestMs: number;
}

/** Checks proofs of possession, each of which counts once: docs/specs/cap.md, "Proof". */
export class ProofCheck {
  readonly #clock: Clock;
  readonly #noncesMax: number;
  /** Holder's key and nonce. */
  readonly #used = new Set<string>();
  /** The same by the second of their proof, to be forgotten together: at most 122 seconds at a time. */
  readonly #slots = new Map<number, Slot>();
  readonly #perOwner = new Map<string, number>();
  /** The newest proof that was forgotten. None up to it is accepted, or a clock set back would let it in again. */
  #forgottenMs = -1;

  constructor(clock: Clock, max = noncesMax) {
    this.#clock = clock;
    this.#noncesMax = max;
  }

  /** Why the request is refused. The nonce is used up by an answer of undefined only. */
  fault({ proof: text, request, holder, key, tokenHash, owner }: Possession): ProofFault | undefined {
    if (text === undefined || request === undefined) return 'proof_missing';
    const proof = parseProof(text);
    const message = proof && proofMessage(request, proof, tokenHash);
    if (proof === undefined || message === undefined) return 'proof_malformed';
    const nowMs = this.#clock.wallMs();
    this.#forget(nowMs);
    if (Math.abs(nowMs - proof.tMs) > proofWindowMs || proof.tMs <= this.#forgottenMs) return 'proof_expired';
    // Before the nonce is looked at or kept: strangers can neither probe for nonces nor use them up.
    if (!verify(null, message, key, proof.signature)) return 'proof_wrong';
    return this.#use(proof, holder, owner);
  }

  #use({ tMs, nonce }: Proof, holder: string, owner: string): ProofFault | undefined {
    const second = Math.floor(tMs / 1000);
    const slot = this.#slots.get(second) ?? { entries: [], newestMs: 0 };
    const entry = holder + nonce;
    if (this.#used.has(entry)) return 'proof_replayed';
    const owned = this.#perOwner.get(owner) ?? 0;
    if (this.#used.size >= this.#noncesMax || owned >= this.#noncesMax / 2) return 'proofs_full';
    this.#used.add(entry);
    slot.entries.push({ nonce: entry, owner });
    slot.newestMs = Math.max(slot.newestMs, tMs);
    this.#slots.set(second, slot);
    this.#perOwner.set(owner, owned + 1);
    return undefined;
  }

  #forget(nowMs: number): void {
    for (const [second, slot] of this.#slots) {
      if ((second + 1) * 1000 + proofWindowMs > nowMs) continue;
      this.#slots.delete(second);
      this.#forgottenMs = Math.max(this.#forgottenMs, slot.newestMs);
      for (const { nonce, owner } of slot.entries) this.#release(nonce, owner);
    }
  }

  #release(nonce: string, owner: string): void {
    this.#used.delete(nonce);
    const left = (this.#perOwner.get(owner) ?? 1) - 1;
    if (left === 0) this.#perOwner.delete(owner);
    else this.#perOwner.set(owner, left);
  }
}
