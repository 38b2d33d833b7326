import { createHash, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { Snapshot } from '@ron/proto/registry';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createSnapshotClient, type SnapshotClient, snapshotGapMax, type TrustedStart } from './chain.ts';
import { documentBytes, documentId, type SignatureAlgorithm, type SignerSignature } from './document.ts';
import { encodeSigned } from './envelope.ts';
import type { Signer, VerifySignature } from './threshold.ts';

const algorithms = ['ed25519', 'ml-dsa-65'] as const;
const raw = (key: KeyObject, bytes: number) => key.export({ format: 'der', type: 'spki' }).subarray(-bytes);

/** Public keys by their raw bytes: the platform's check, without building a key from bytes. */
const publicKeys = new Map<string, KeyObject>();
const check: VerifySignature = (_alg, key, message, signature) =>
  verify(null, message, publicKeys.get(Buffer.from(key).toString('base64url'))!, signature);

class TestSigner {
  readonly signer: Signer;
  readonly #keys: Readonly<Record<SignatureAlgorithm, KeyObject>>;

  constructor(name: string) {
    const [ed, ml] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ml-dsa-65')];
    const keys = {
      ed25519: raw(ed.publicKey, 32).toString('base64url'),
      'ml-dsa-65': raw(ml.publicKey, 1_952).toString('base64url'),
    };
    publicKeys.set(keys.ed25519, ed.publicKey).set(keys['ml-dsa-65'], ml.publicKey);
    this.signer = { name, keys };
    this.#keys = { ed25519: ed.privateKey, 'ml-dsa-65': ml.privateKey };
  }

  sign(document: Snapshot, with_: readonly SignatureAlgorithm[] = algorithms): SignerSignature[] {
    return with_.map((alg) => ({
      signer: this.signer.name,
      alg,
      signature: sign(null, documentBytes(document), this.#keys[alg]).toString('base64url'),
    }));
  }
}

const people = ['a', 'b', 'c', 'd'].map((name) => new TestSigner(name));
const [a, b, c, d] = people as [TestSigner, TestSigner, TestSigner, TestSigner];
const stranger = new TestSigner('a');
/** Any function to an address will do: what matters is that equal bytes have equal ids. */
const blake3 = (bytes: Uint8Array) => `b3:${createHash('shake256', { outputLength: 32 }).update(bytes).digest('hex')}`;
const signed = (document: Snapshot, ...by: TestSigner[]) =>
  encodeSigned({ document, signatures: by.flatMap((each) => each.sign(document)) });
const listOf = (...by: TestSigner[]) => by.map(({ signer }) => signer) as Snapshot['signers'];

const first: Snapshot = {
  type: 'ron-registry',
  version: 1,
  issued_at: 1_000,
  expires_at: 10_000,
  signers: listOf(a, b, c),
  threshold: 2,
  descriptors: [{ id: 'node/one', kind: 'micronode', endpoints: ['oap+tls://10.0.0.1:9601'] }],
  revoked_signers: [],
};
const after = (before: Snapshot, change: Partial<Snapshot> = {}): Snapshot => ({
  ...before,
  version: before.version + 1,
  previous: documentId(before, blake3),
  ...change,
});

let nowMs = 2_000;
let client: SnapshotClient;
const trusted: TrustedStart = { signers: first.signers, threshold: 2 };
const start = (options: { trusted?: TrustedStart; state?: string } = {}) =>
  createSnapshotClient({ trusted, verify: check, now: () => nowMs, blake3, ...options });

const reasonOf = (task: () => unknown): string => {
  try {
    task();
  } catch (error) {
    const { code, details } = error as { code: string; details?: { reason?: string } };
    return `${code} ${details?.reason}`;
  }
  return 'taken';
};
const offer = (...texts: string[]) => reasonOf(() => client.accept(texts));

beforeEach(() => {
  nowMs = 2_000;
  client = start();
});

describe('the first snapshot', () => {
  test('is taken when the trusted signers have signed, and is there to act on', () => {
    expect(reasonOf(() => client.current())).toBe('unavailable undefined');
    expect(client.accept(signed(first, a, c))).toEqual({
      outcome: 'accepted',
      version: 1,
      id: documentId(first, blake3),
    });
    expect(client.current()).toEqual(first);
  });

  test('is refused otherwise', () => {
    expect(offer(signed(first))).toBe('forbidden unsigned');
    expect(offer(signed(first, a))).toBe('forbidden under_signed');
    expect(offer(signed(first, stranger, b))).toBe('forbidden under_signed');
    client = start({ trusted: { signers: listOf(d), threshold: 1 } });
    expect(offer(signed(first, a, b))).toBe('forbidden under_signed');
    expect(client.held).toBeUndefined();
  });

  test('may be pinned by its id', () => {
    client = start({ trusted: { id: documentId(first, blake3) } });
    expect(offer(signed(after(first), a, b))).toBe('forbidden untrusted');
    expect(offer(signed(first, a))).toBe('forbidden under_signed');
    expect(offer(signed(first, a, b))).toBe('taken');
  });
});

describe('what follows', () => {
  const second = after(first);
  beforeEach(() => {
    client.accept(signed(first, a, b));
  });

  test.each([
    ['unsigned', signed(second), 'forbidden unsigned'],
    ['differently signed', signed(second, stranger, d), 'forbidden under_signed'],
    ['signed by too few', signed(second, a), 'forbidden under_signed'],
    [
      'signed with one of two algorithms',
      encodeSigned({ document: second, signatures: [...a.sign(second), ...b.sign(second, ['ed25519'])] }),
      'forbidden under_signed',
    ],
    ['expired', signed(after(first, { expires_at: 2_000 }), a, b), 'forbidden expired'],
    ['on another predecessor', signed(after(after(first, { version: 1 })), a, b), 'conflict fork'],
    ['issued before', signed(after(first, { issued_at: 999 }), a, b), 'conflict rollback'],
    ['another at the same version', signed({ ...first, threshold: 1 }, a, b), 'conflict fork'],
    ['too far ahead', signed({ ...second, version: snapshotGapMax + 3 }, a, b), 'conflict gap'],
    ['not JSON', '{', 'bad_request malformed'],
    ['another document', encodeSigned({ document: { type: 'ron-policy' }, signatures: [] }), 'bad_request malformed'],
  ])('is refused when it is %s', (_what, text, expected) => {
    expect(offer(text)).toBe(expected);
    expect(client.held?.snapshot.version).toBe(1);
  });

  test('an older one is a rollback, the same one changes nothing', () => {
    expect(offer(signed(second, b, c))).toBe('taken');
    expect(offer(signed(first, a, b))).toBe('conflict rollback');
    expect(client.accept(signed(second, a, b))).toMatchObject({ outcome: 'unchanged', version: 2 });
  });

  test('with a gap it asks for the versions between, and takes all of them or none', () => {
    const chain = [second];
    for (let count = 0; count < 4; count += 1) chain.push(after(chain.at(-1)!, { expires_at: 2_001 }));
    const last = after(chain.at(-1)!, { expires_at: 20_000 });
    nowMs = 3_000;
    expect(client.accept(signed(last, a, b))).toEqual({ outcome: 'missing', fromVersion: 2, toVersion: 6 });
    const texts = [...chain, last].map((each) => signed(each, a, b));
    expect(offer(...texts.toSpliced(2, 1, signed(chain[2]!, a)))).toBe('forbidden under_signed');
    expect(offer(...texts.slice(0, 5))).toBe('forbidden expired');
    expect(client.held?.snapshot.version).toBe(1);
    expect(client.accept(texts)).toMatchObject({ outcome: 'accepted', version: 7 });
  });

  test('a gap of the most that is kept is asked for, one more is refused', () => {
    const ahead = (version: number) => signed({ ...second, version }, a, b);
    expect(client.accept(ahead(snapshotGapMax + 2))).toMatchObject({ outcome: 'missing', toVersion: 1_001 });
    expect(offer(ahead(snapshotGapMax + 3))).toBe('conflict gap');
  });

  test('new signers need the old ones and themselves', () => {
    const changed = after(first, { signers: listOf(c, d), threshold: 2 });
    expect(offer(signed(changed, a, b))).toBe('forbidden under_signed');
    expect(offer(signed(changed, c, d))).toBe('forbidden under_signed');
    expect(offer(signed(changed, a, c, d))).toBe('taken');
    expect(offer(signed(after(changed), a, b))).toBe('forbidden under_signed');
    expect(offer(signed(after(changed), c, d))).toBe('taken');
  });

  test('a revoked signer counts for nothing, at once, and cannot come back', () => {
    const struck = [{ name: 'b', key: b.signer.keys.ed25519 }];
    const revoking = after(first, { signers: listOf(a, c), revoked_signers: struck });
    expect(offer(signed(revoking, a, b))).toBe('forbidden revoked_signer');
    expect(offer(signed(revoking, a, c))).toBe('taken');
    expect(offer(signed(after(revoking), a, b))).toBe('forbidden revoked_signer');
    expect(offer(signed(after(revoking, { revoked_signers: [] }), a, c))).toBe('forbidden unrevoked');
    expect(offer(signed(after(revoking, { signers: listOf(a, b, c) }), a, c))).toBe('bad_request malformed');
    const renamed = [{ name: 'bb', keys: b.signer.keys }, c.signer] as Snapshot['signers'];
    expect(offer(signed(after(revoking, { signers: [a.signer, ...renamed] }), a, c))).toBe('bad_request malformed');
  });

  test('a name keeps its keys', () => {
    const other = after(first, { signers: [stranger.signer, ...listOf(b, c)] });
    expect(offer(signed(other, a, b, c))).toBe('forbidden signer_changed');
  });

  test('expiry is checked at use, to the millisecond', () => {
    nowMs = 9_999;
    expect(client.current().version).toBe(1);
    nowMs = 10_000;
    expect(reasonOf(() => client.current())).toBe('unavailable expired');
    expect(offer(signed(after(first, { expires_at: 20_000 }), a, b))).toBe('taken');
    expect(client.current().version).toBe(2);
  });

  test('a client remembers over a restart', () => {
    client.accept(signed(second, a, b));
    client = start({ state: client.exportState()! });
    expect(client.current().version).toBe(2);
    expect(offer(signed(first, a, b))).toBe('conflict rollback');
    expect(offer(signed({ ...second, issued_at: 1_500 }, a, b))).toBe('conflict fork');
  });
});

test.each([
  ['an unknown member', { ...first, more: 1 }],
  ['no threshold', { ...first, threshold: 0 }],
  ['an unreachable threshold', { ...first, threshold: 4 }],
  ['unsorted signers', { ...first, signers: listOf(b, a) }],
  ['one key under two names', { ...first, signers: [a.signer, { ...a.signer, name: 'z' }] }],
  ['a first version with a predecessor', { ...first, previous: `b3:${'0'.repeat(64)}` }],
  ['a later version without one', { ...first, version: 2 }],
  ['an expiry before its issue', { ...first, expires_at: 1_000 }],
  ['more than 400 days', { ...first, expires_at: 34_560_001_001 }],
  ['one descriptor twice', { ...first, descriptors: [first.descriptors[0]!, first.descriptors[0]!] }],
  ['a strange id', { ...first, descriptors: [{ id: 'node/../x', kind: 'x' }] }],
])('a snapshot with %s is malformed', (_what, document) => {
  expect(offer(signed(document as Snapshot, a, b))).toBe('bad_request malformed');
});

test('a random walk of honest and hostile snapshots: the client holds only what the model allows', () => {
  const step = fc.record({
    base: fc.nat(100),
    by: fc.subarray([0, 1, 2, 3]),
    change: fc.constantFrom('none', 'rotate', 'revoke', 'short', 'early', 'skip'),
    laterMs: fc.nat(40),
    restart: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
      nowMs = 2_000;
      client = start();
      client.accept(signed(first, a, b));
      const made = [first];
      let held = first;
      for (const { base, by, change, laterMs, restart } of steps) {
        nowMs += laterMs;
        const parent = base % 3 === 0 ? made[base % made.length]! : held;
        const document = vary(parent, change);
        made.push(document);
        const signers = by.map((index) => people[index]!);
        const result = reasonOf(() => client.accept(signed(document, ...signers)));
        // The rules, each said once more and plainly.
        const struck = new Set(document.revoked_signers.map(({ name }) => name));
        const votes = (list: Snapshot) =>
          list.signers.filter(({ name }) => !struck.has(name) && signers.some((one) => one.signer.name === name))
            .length >= list.threshold;
        const repeats = documentId(document, blake3) === documentId(held, blake3);
        const allowed =
          document.version === held.version + 1 &&
          document.previous === documentId(held, blake3) &&
          held.revoked_signers.every(({ name }) => struck.has(name)) &&
          votes(held) &&
          votes(document) &&
          document.issued_at >= held.issued_at &&
          document.expires_at > nowMs;
        if (allowed) held = document;
        else if (!repeats && document.version <= held.version + 1) expect(result).not.toBe('taken');
        expect(client.held?.snapshot).toEqual(held);
        if (restart) client = start({ state: client.exportState()! });
        const isFresh = held.expires_at > nowMs;
        expect(reasonOf(() => client.current())).toBe(isFresh ? 'taken' : 'unavailable expired');
      }
    }),
    { numRuns: 60 },
  );
});

function vary(parent: Snapshot, change: string): Snapshot {
  const isRevoked = (name: string) => parent.revoked_signers.some((each) => each.name === name);
  switch (change) {
    case 'rotate': {
      const signers = listOf(...people).filter(({ name }) => !isRevoked(name) && name !== parent.signers[0]!.name);
      return after(parent, signers.length === 0 ? {} : { signers, threshold: Math.min(2, signers.length) });
    }
    case 'revoke': {
      const [gone, ...signers] = parent.signers;
      if (signers.length === 0) return after(parent);
      const revoked = [...parent.revoked_signers, { name: gone!.name, key: gone!.keys.ed25519 }];
      revoked.sort((one, other) => (one.name < other.name ? -1 : 1));
      return after(parent, { signers, threshold: 1, revoked_signers: revoked });
    }
    case 'short':
      return after(parent, { expires_at: Math.max(nowMs + 5, parent.issued_at + 1) });
    case 'early':
      return after(parent, { issued_at: parent.issued_at - 1 });
    case 'skip':
      return { ...after(parent), version: parent.version + 2 };
    default:
      return after(parent);
  }
}
