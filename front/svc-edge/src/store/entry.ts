import { type Fields, textOf } from '../fields/fields.ts';
import { type Arrival, ageSeconds, initialAgeSeconds, lifetimeSeconds } from '../rules/freshness.ts';
import { guessedSeconds, type OperatorDefaults, operatorDefaults, withDefaults } from '../rules/operator-defaults.ts';
import { type ResponsePolicy, readPolicy } from '../rules/policy.ts';
import type { Holding } from '../rules/reuse.ts';
import { selectingKey, selectingNames } from '../rules/vary.ts';
import type { PartialBody } from './partial-body.ts';
import type { WholeBody } from './whole-body.ts';

export type EntryBody =
  | { readonly kind: 'whole'; readonly body: WholeBody }
  | { readonly kind: 'partial'; readonly body: PartialBody };

export interface EntryFields {
  readonly key: string;
  readonly status: number;
  /** End-to-end fields with a Date, without Age and without what may not be reused. */
  readonly fields: Fields;
  readonly request: Fields;
  readonly arrival: Arrival;
  /** The Age that it came with. */
  readonly age: string | undefined;
  readonly content: EntryBody;
  readonly defaults?: OperatorDefaults;
  /** Fields that select it besides those of its Vary; none by default. */
  readonly selectedBy?: readonly string[];
}

/** One stored response. */
export class Entry {
  readonly key: string;
  readonly status: number;
  content: EntryBody;
  readonly request: Fields;
  readonly #defaults: OperatorDefaults;
  readonly #selectedBy: readonly string[];
  fields: Fields;
  arrival: Arrival;
  policy: ResponsePolicy;
  /** Fields that selected it, and what the request had in them. */
  names: readonly string[];
  selecting: string;
  lifetimeSeconds: number;
  #initialAgeSeconds: number;
  /** Nothing may be answered with it before the origin was asked, whatever its age. RFC 9111, 4.3.5 and 4.4. */
  outdated = false;
  /** Requests that selected it since its body is where it is. */
  hits = 0;
  /** Somebody is asking the origin about it. */
  refreshing = false;
  /** Set by what takes it out of the store. A body on disk is gone with it, but for those who hold it. */
  removed = false;

  constructor(told: EntryFields) {
    const { key, status, fields, request, arrival, age, content, defaults = operatorDefaults } = told;
    this.#selectedBy = told.selectedBy ?? [];
    this.key = key;
    this.status = status;
    this.content = content;
    this.request = request;
    this.fields = fields;
    this.arrival = arrival;
    this.#defaults = defaults;
    this.policy = withDefaults(readPolicy(fields), defaults);
    this.names = selectingNames(fields, this.#selectedBy);
    this.selecting = selectingKey(this.names, request);
    this.lifetimeSeconds = this.#lifetime();
    this.#initialAgeSeconds = initialAgeSeconds(age === undefined ? fields : { ...fields, age }, arrival);
  }

  /** The same body under a newer head. RFC 9111, 4.3.4. */
  freshen(fields: Fields, arrival: Arrival, age: string | undefined): void {
    this.fields = fields;
    this.arrival = arrival;
    this.policy = withDefaults(readPolicy(fields), this.#defaults);
    this.names = selectingNames(fields, this.#selectedBy);
    this.selecting = selectingKey(this.names, this.request);
    this.lifetimeSeconds = this.#lifetime();
    this.#initialAgeSeconds = initialAgeSeconds(age === undefined ? fields : { ...fields, age }, arrival);
    this.outdated = false;
  }

  #lifetime(): number {
    const guessed = guessedSeconds(this.#defaults, this.status, this.request, this.fields);
    return lifetimeSeconds(this.status, this.policy, this.fields, this.arrival.responseWallMs, guessed);
  }

  /** Its body did not come to its end. */
  get isBroken(): boolean {
    return this.content.kind === 'whole' && this.content.body.state === 'broken';
  }

  ageSeconds(nowMs: number): number {
    return ageSeconds(this.#initialAgeSeconds, this.arrival, nowMs);
  }

  holding(nowMs: number): Holding {
    return { policy: this.policy, ageSeconds: this.ageSeconds(nowMs), lifetimeSeconds: this.lifetimeSeconds };
  }

  /** Bytes of the whole representation, where they are known. */
  get total(): number | undefined {
    return this.content.body.total;
  }

  /** Bytes that the head takes, roughly. */
  get headBytes(): number {
    let bytes = 512 + this.key.length + this.selecting.length;
    for (const name in this.fields) bytes += name.length + (textOf(this.fields, name)?.length ?? 0) + 32;
    return bytes;
  }
}
