import type { Env } from '@ron/kernel';
import { Secret } from '@ron/kms';
import type { RevocationEntry } from '@ron/proto/capability';
import { mayBeUsed } from '../ending.ts';
import { createFamilyId, hashOf } from '../refresh-token.ts';
import { Draft, metaOf } from './draft.ts';
import { RevocationFeed } from './feed.ts';
import {
  type Family,
  familyPrefix,
  type Meta,
  mintedUntilOf,
  type PassportTable,
  revocationPrefix,
  type SubjectRecord,
  subjectKey,
  subjectPrefix,
  subjectRevocationKey,
} from './records.ts';

/** Entries that one sweep drops at most: everybody else waits for its transaction. */
const sweptMax = 2_000;

/**
 * Passports, subjects, revocations and the bootstrap secret's hash of one node, in one table, so that ending a family
 * and revoking what it minted is one transaction. The profile opens it, reads the secret of a fresh node from it, and
 * closes the table after the service has stopped.
 */
export class PassportStore {
  readonly feed: RevocationFeed;
  readonly #table: PassportTable;
  readonly #env: Pick<Env, 'random' | 'work'>;
  #secret: Secret | undefined;

  constructor(table: PassportTable, env: Pick<Env, 'random' | 'work'>) {
    this.#table = table;
    this.#env = env;
    const entries: RevocationEntry[] = [];
    for (const [, { revocation }] of table.entries(revocationPrefix)) if (revocation) entries.push(revocation);
    this.feed = new RevocationFeed(entries, () => this.meta.feed, this.meta);
  }

  get meta(): Meta {
    return metaOf(this.#table);
  }

  /** Why nothing can be written any more. */
  get failed(): string | undefined {
    return this.#table.failed;
  }

  /**
   * The one-time secret that makes the first administrator, when it was made in this run of the process; undefined when
   * an earlier run made it, and once it is used. At rest there is only its hash: print it once, or write it to a file of
   * mode 0600 and remove that file after the bootstrap.
   */
  bootstrapSecret(): Secret | undefined {
    return this.#secret;
  }

  /** `lost`: an earlier run made the secret; who no longer has it asks for a new one with `renewBootstrapSecret`. */
  get bootstrapState(): 'ready' | 'lost' | 'used' {
    if (this.meta.bootstrap === 'used') return 'used';
    return this.#secret === undefined ? 'lost' : 'ready';
  }

  /** A new secret in place of one that was not used; the old one ends. Undefined, and nothing changed, after the bootstrap. */
  async renewBootstrapSecret(): Promise<Secret | undefined> {
    const text = `ronb_${Buffer.from(this.#env.random.bytes(32)).toString('base64url')}`;
    const hash = hashOf(this.#env.work, text);
    const renewed = await this.transact((draft) => {
      if (draft.meta.bootstrap === 'used') return false;
      draft.set({ bootstrap: { hash } });
      return true;
    });
    this.#forgetSecret();
    if (renewed) this.#secret = Secret.fromText(text);
    return this.#secret;
  }

  #forgetSecret(): void {
    this.#secret?.[Symbol.dispose]();
    this.#secret = undefined;
  }

  family(id: string): Family | undefined {
    return this.#table.get(familyPrefix + id)?.family;
  }

  subject(tenant: string, subject: string): SubjectRecord | undefined {
    return this.#table.get(subjectKey(tenant, subject))?.subject;
  }

  revokedUntilMs(tenant: string, subject: string): number {
    return mintedUntilOf(this.#table.get(subjectRevocationKey(tenant, subject)));
  }

  *families(): Iterable<Family> {
    for (const [, { family }] of this.#table.entries(familyPrefix)) if (family) yield family;
  }

  /** Keys and records of subjects, in no order. */
  *subjects(): Iterable<readonly [string, SubjectRecord]> {
    for (const [key, { subject }] of this.#table.entries(subjectPrefix)) if (subject) yield [key, subject];
  }

  /**
   * One atomic change, on stable storage before it resolves. What it revokes is in the feed, and in force on this node,
   * when it resolves. `urgent` for what takes rights away: it may use the reserve of a full disk.
   */
  async transact<T>(decide: (draft: Draft) => T, options: { readonly urgent?: boolean } = {}): Promise<T> {
    let revoked: readonly RevocationEntry[] = [];
    const result = await this.#table.transact((view) => {
      const draft = new Draft(view);
      const made = decide(draft);
      revoked = draft.revoked;
      return draft.decision(made);
    }, options);
    if (this.meta.bootstrap === 'used') this.#forgetSecret();
    this.feed.add(revoked);
    return result;
  }

  /** Drops what has expired: families, and revocations with nothing left to revoke. Up to 2,000 of each; true when there may be more. */
  async sweep(nowMs: number): Promise<boolean> {
    const families = take(this.families(), ({ expiresAtMs }) => expiresAtMs <= nowMs);
    const entries = take(this.feed.entries(), ({ until }) => until !== undefined && !mayBeUsed(until, nowMs));
    if (families.length + entries.length === 0) return false;
    await this.transact((draft) => {
      for (const { id } of families) draft.dropFamily(id);
      for (const entry of entries) draft.dropRevocation(entry);
    });
    this.feed.drop(entries);
    return families.length === sweptMax || entries.length === sweptMax;
  }
}

/** Makes the bootstrap secret of a fresh node: see `PassportStore.bootstrapSecret`. */
export async function openPassportStore(
  table: PassportTable,
  env: Pick<Env, 'random' | 'work'>,
): Promise<PassportStore> {
  const store = new PassportStore(table, env);
  if (store.meta.feed === '') await store.transact((draft) => draft.set({ feed: createFamilyId(env.random) }));
  if (store.meta.bootstrap === undefined) await store.renewBootstrapSecret();
  return store;
}

function take<T>(from: Iterable<T>, wanted: (each: T) => boolean): T[] {
  const taken: T[] = [];
  for (const each of from) {
    if (wanted(each)) taken.push(each);
    if (taken.length === sweptMax) break;
  }
  return taken;
}
