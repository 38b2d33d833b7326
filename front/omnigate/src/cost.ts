import type { Operation } from '@ron/proto/contract';
import { costMax } from './fair/fair-queue.ts';

/** What any call costs, in bytes: about what a node could have sent in the time that it spends on the smallest. */
const callCost = 4_096;
const itemCost = 1_024;
/** Of a body whose length nobody said. */
const unknownBytes = 65_536;
/** Part of a new measurement in the average of what an operation sends. */
const share = 0.1;

/** CPU and disk in bytes, by operation, where the shape of the contract does not tell. */
const weights: Readonly<Record<string, number>> = {
  'gateway.set_name': 65_536,
  'gateway.remove_name': 65_536,
  'gateway.list_names': 16_384,
  'gateway.history': 16_384,
  'gateway.collect': 1_048_576,
  'gateway.scrub': 1_048_576,
  'passport.issue': 131_072,
  'passport.refresh': 131_072,
  'kms.sign': 131_072,
  'audit.export': 262_144,
};

/**
 * What a call costs, in bytes that a backend could have moved instead: the weight of its operation, the bytes that it
 * brings or is expected to bring, and those that it will send, as calls of that operation did. Nothing that the caller declares makes it
 * cheaper for long: what really moved is charged afterwards.
 */
export class OperationCost {
  readonly #weight: number;
  readonly #takesBody: boolean;
  /** Bytes that an answer had, a moving average. One number an operation. */
  #sentBytes: number;

  constructor(name: string, operation: Operation) {
    const { body, mutation, audit } = operation;
    this.#takesBody = body === 'in' || body === 'both';
    this.#sentBytes = body === 'out' || body === 'both' ? 16_384 : 0;
    this.#weight = weights[name] ?? (audit?.level === 'privileged' ? 65_536 : mutation ? 16_384 : callCost);
  }

  estimate(input: unknown, bodyBytes: number | undefined): number {
    const brought = this.#takesBody ? (bodyBytes ?? unknownBytes) : 0;
    return Math.min(costMax, this.#weight + itemCost * itemsOf(input) + brought + this.#sentBytes);
  }

  /** What it cost after all. */
  real(input: unknown, receivedBytes: number, sentBytes: number): number {
    return this.#weight + itemCost * itemsOf(input) + receivedBytes + sentBytes;
  }

  /** A body of an answer ended. */
  sent(bytes: number): void {
    this.#sentBytes += share * (Math.min(bytes, costMax) - this.#sentBytes);
  }
}

/** Entries of the lists in an input: a call about many things costs as many calls do, nearly. */
function itemsOf(input: unknown): number {
  if (typeof input !== 'object' || input === null) return 0;
  let items = 0;
  for (const value of Object.values(input)) if (Array.isArray(value)) items += value.length;
  return items;
}
