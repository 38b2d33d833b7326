import {
  addOutboardHeader,
  createOutboardVerifier,
  groupCount,
  groupLength,
  type OutboardVerifier,
  VerificationError,
} from '@ron/b3';
import type { Clock, Work } from '@ron/kernel';
import { type Address, addressFromHash, hashFromAddress } from '@ron/naming';

/** One group of the tree, and the unit of everything here. */
export const groupBytes = 65_536;

/** Groups of an object of 1 GiB, whose parents are checked at once, some 10 ms; then others have their turn. */
const eagerGroupsMax = 16_384;

/** Checks the groups of one object: by the native hash when the object is one group, by its tree otherwise. */
export class ObjectProof {
  readonly address: string;
  readonly sizeBytes: number;
  readonly groupCount: number;
  /** Undefined for an object of one group. */
  readonly outboard: Uint8Array | undefined;
  readonly #work: Work;
  readonly #verifier: OutboardVerifier | undefined;

  /** Throws `VerificationError` when the outboard is not that of the address and the size. */
  constructor(address: string, sizeBytes: number, outboard: Uint8Array | undefined, work: Work) {
    this.address = address;
    this.sizeBytes = sizeBytes;
    this.groupCount = groupCount(sizeBytes);
    this.#work = work;
    this.outboard = this.groupCount === 1 ? undefined : outboard;
    if (this.groupCount === 1) return;
    if (outboard === undefined) throw new VerificationError('truncated', 'an object of several groups has an outboard');
    const verifier = createOutboardVerifier({ root: hashFromAddress(address as Address), outboard });
    if (verifier.size !== sizeBytes) throw new VerificationError('size', 'the outboard is that of another size');
    if (this.groupCount <= eagerGroupsMax) verifier.verifyParents();
    this.#verifier = verifier;
  }

  /**
   * Checks all parents, those of an object of 8 GiB in eight steps with a turn of the event loop between them. Rejects
   * with `VerificationError` at a wrong one: an outboard is handed out, and kept by others, only after this.
   */
  async verifyOutboard(clock: Pick<Clock, 'after'>, signal?: AbortSignal): Promise<void> {
    // Of smaller objects this was done when the outboard came.
    if (this.#verifier === undefined || this.groupCount <= eagerGroupsMax) return;
    for (let first = 0; first < this.groupCount; first += eagerGroupsMax) {
      if (first > 0) await new Promise<void>((resolve) => void clock.after(0, resolve));
      signal?.throwIfAborted();
      this.#verifier.verifyParents(first, eagerGroupsMax);
    }
  }

  /** Whether the last group was seen: before, the size is a claim (docs/specs/verified-bytes.md, section 5). */
  get sizeProven(): boolean {
    return this.#verifier === undefined || this.#verifier.sizeProven;
  }

  groupLength(index: number): number {
    return groupLength(this.sizeBytes, index);
  }

  /** Throws `VerificationError` when `bytes` are not this group. */
  verify(index: number, bytes: Uint8Array): void {
    if (this.#verifier !== undefined) {
      this.#verifier.verifyGroup(index, bytes);
      return;
    }
    if (bytes.byteLength !== this.sizeBytes) throw new VerificationError('size', 'the object has another length', 0);
    if (addressFromHash(this.#work.blake3(bytes)) !== this.address) {
      throw new VerificationError('group', 'the bytes do not belong to the address', 0);
    }
  }
}

/** With its header; of an object of one group that is all. */
export function outboardOf({ outboard, sizeBytes }: ObjectProof): Uint8Array {
  return outboard ?? addOutboardHeader(new Uint8Array(0), sizeBytes);
}
