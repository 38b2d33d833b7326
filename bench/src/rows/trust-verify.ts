import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { type Authority, attenuateBiscuit, createAuthority, type MintRequest, revocationsMax } from '@ron/auth';
import { attenuate, createProof, type Scheme } from '@ron/cap';
import { hmac } from '@ron/cap/hmac';
import { createRealEnv } from '@ron/kernel/real';
import { createRamKms, createUuid } from '@ron/kms';
import { memoryOf } from '../own-memory.ts';
import { cpuUs } from '../own-time.ts';
import { median, type Row, spread } from '../row.ts';

const request = 'GET /o/b3';
/** Hits are shorter than the clock can see: each sample is the mean of so many. */
const together = 100;

interface Presented {
  readonly token: string;
  readonly proof?: string;
  readonly request?: string;
}

interface VerifyCase {
  readonly id: string;
  readonly job: string;
  readonly limit: number | undefined;
  readonly scheme: Scheme;
  /** Caveats beside rights and expiry, each in an attenuation of its own. */
  readonly attenuations: number;
  readonly bound?: boolean;
  /** The same token again, which only a proof makes new. */
  readonly hit?: boolean;
  readonly count: number;
}

const cases: readonly VerifyCase[] = [
  { id: 'hmac-3', job: 'new HMAC token, 3 caveats', limit: 60, scheme: 'hmac', attenuations: 1, count: 4_000 },
  { id: 'ed25519', job: 'new Ed25519 token', limit: 600, scheme: 'ed25519', attenuations: 0, count: 800 },
  {
    id: 'ed25519-attenuated',
    job: 'new Ed25519 token, attenuated once',
    limit: 600,
    scheme: 'ed25519',
    attenuations: 1,
    count: 800,
  },
  {
    id: 'hmac-3-bound',
    job: 'new HMAC token, 3 caveats and a key, with its proof',
    limit: undefined,
    scheme: 'hmac',
    attenuations: 1,
    bound: true,
    count: 800,
  },
  {
    id: 'ed25519-bound',
    job: 'new Ed25519 token with a key, attenuated once, with its proof',
    limit: 600,
    scheme: 'ed25519',
    attenuations: 1,
    bound: true,
    count: 800,
  },
  {
    id: 'bound-hit',
    job: 'known token with a key, with a new proof',
    limit: undefined,
    scheme: 'hmac',
    attenuations: 1,
    bound: true,
    hit: true,
    count: 800,
  },
];

async function start() {
  const env = createRealEnv();
  const kms = createRamKms(env);
  return { env, kms, authority: await createAuthority({ kms, env, audience: 'bench' }) };
}
type Started = Awaited<ReturnType<typeof start>>;

interface Holder {
  readonly key: string;
  readonly secret: KeyObject;
}

function createHolder(): Holder {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { key: publicKey.export({ format: 'jwk' }).x!, secret: privateKey };
}

async function present({ env, authority }: Started, one: VerifyCase, subject: string, holder: Holder) {
  const rights: MintRequest['rights'] = [{ methods: ['read', 'write'], prefix: 'o/' }];
  const { token: minted } = await authority.issue({
    subject,
    rights,
    expiresMs: env.clock.wallMs() + 3_600_000,
    scheme: one.scheme,
    ...(one.bound === true ? { key: holder.key } : {}),
  });
  let token = minted;
  for (let step = 0; step < one.attenuations; step += 1) {
    const caveats = [{ rights: [{ methods: ['read' as const], prefix: 'o/' }] }];
    token = one.scheme === 'hmac' ? attenuate(token, caveats, hmac) : attenuateBiscuit(token, caveats, env.random);
  }
  // A string of its own bytes, as one that comes in a header is: not the pieces that it was put together from.
  const flat = Buffer.from(token, 'latin1').toString('latin1');
  return one.bound === true ? prove(env, flat, holder) : { token: flat };
}

async function prove(env: Started['env'], token: string, { secret }: Holder): Promise<Presented> {
  const proof = await createProof({
    token,
    request,
    nowMs: env.clock.wallMs(),
    nonce: env.random.bytes(16),
    sign: (message) => sign(null, message, secret),
    blake3: (bytes) => env.work.blake3(bytes),
  });
  return { token, proof, request };
}

function check(authority: Authority, { token, ...more }: Presented): number {
  const principal = authority.verify(token, { remote: '127.0.0.1', ...more });
  if (principal instanceof Promise) throw new Error('the verdict is not there at once');
  return principal.allows('read', 'o/b3') ? 1 : 0;
}

const verifyRows: readonly Row[] = cases.map((one) => ({
  id: `trust-verify-${one.id}`,
  job: `capability verify, ${one.job}`,
  anchor: '',
  bar: undefined,
  ...(one.limit === undefined ? {} : { limit: one.limit }),
  needs: [],
  async run({ rounds }) {
    const started = await start();
    await using _kms = started.kms;
    const { authority, env } = started;
    const holder = createHolder();
    // The first Ed25519 chain loads a library.
    await authority.verify((await present(started, { ...one, bound: false }, 'warm', holder)).token, { remote: '::1' });
    const ours: number[] = [];
    const samples: number[] = [];
    let allowed = 0;
    for (let round = 0; round < rounds; round += 1) {
      const presented: Presented[] = [];
      const known = one.hit === true ? (await present(started, one, 'known', holder)).token : undefined;
      for (let at = 0; at < one.count; at += 1) {
        presented.push(
          known === undefined ? await present(started, one, `${round}-${at}`, holder) : await prove(env, known, holder),
        );
      }
      const began = cpuUs();
      for (const each of presented) {
        const from = performance.now();
        allowed += check(authority, each);
        samples.push((performance.now() - from) * 1_000);
      }
      ours.push((cpuUs() - began) / one.count);
    }
    const evidence = `${allowed} of ${rounds * one.count} allowed; by the clock ${spread(samples, 'µs')}`;
    return { unit: 'µs of processor', ours, anchor: [], higherIsBetter: false, evidence };
  },
}));

const held = [0, 1_000, 10_000, revocationsMax] as const;
const grownHits = 200_000;
const grownMisses = 4_000;

/** A hit, the hit after which the list has moved, and a miss, with ever more revocations in the list. */
const grownRow: Row = {
  id: 'trust-verify-revocations',
  job: `capability verify, new HMAC token, ${revocationsMax.toLocaleString('en-US')} revocations held`,
  anchor: '',
  bar: undefined,
  limit: 60,
  needs: [],
  async run({ rounds }) {
    const started = await start();
    await using _kms = started.kms;
    const { authority, env, kms } = started;
    const { revocations } = authority;
    const holder = createHolder();
    const one = cases[0]!;
    const told: string[] = [];
    let ours: number[] = [];
    let revoked = 0;
    const moving = createUuid(env.clock, env.random);
    for (const target of held) {
      const before = revoked;
      const began = memoryOf().heap;
      // Room for the one that moves the list.
      for (const last = Math.min(target, revocationsMax - 1); revoked < last; revoked += 1)
        revocations.revokeCapability(createUuid(env.clock, env.random));
      const heap = memoryOf().heap - began;
      ours = [];
      const hits: number[] = [];
      const moved: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const presented: Presented[] = [];
        for (let at = 0; at < grownMisses; at += 1) {
          presented.push(await present(started, one, `${target}-${round}-${at}`, holder));
        }
        let from = cpuUs();
        for (const each of presented) check(authority, each);
        ours.push((cpuUs() - from) / grownMisses);
        if (target > 0) revocations.revokeCapability(moving);
        from = cpuUs();
        for (const each of presented) check(authority, each);
        moved.push((cpuUs() - from) / grownMisses);
        from = cpuUs();
        for (let at = 0; at < grownHits; at += 1) check(authority, presented[0]!);
        hits.push((cpuUs() - from) / grownHits);
      }
      const each = revoked - before > 1_000 ? `, ${Math.round(heap / (revoked - before))} B of heap each` : '';
      told.push(
        `${target}: new ${middle(ours)}, known ${middle(hits)}, known after a revocation ${middle(moved)} µs${each}`,
      );
    }
    if (kms.listKeys().length === 0) throw new Error('there is no key');
    return { unit: 'µs of processor', ours, anchor: [], higherIsBetter: false, evidence: told.join('; ') };
  },
};

function middle(values: readonly number[]): string {
  return median(values).toPrecision(2);
}

/** What a hit costs when each is looked at in groups: the whole spread, where `cap-hit` gives the mean. */
const hitRow: Row = {
  id: 'trust-verify-hit',
  job: 'capability verify, known HMAC token, 3 caveats',
  anchor: '',
  bar: undefined,
  limit: 2,
  needs: [],
  async run({ rounds }) {
    const started = await start();
    await using _kms = started.kms;
    const presented = await present(started, cases[0]!, 'known', createHolder());
    const ours: number[] = [];
    const samples: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const began = cpuUs();
      for (let group = 0; group < 5_000; group += 1) {
        const from = performance.now();
        for (let at = 0; at < together; at += 1) check(started.authority, presented);
        samples.push(((performance.now() - from) * 1_000) / together);
      }
      ours.push((cpuUs() - began) / (5_000 * together));
    }
    const evidence = `by the clock, of means of ${together}: ${spread(samples, 'µs')}`;
    return { unit: 'µs of processor', ours, anchor: [], higherIsBetter: false, evidence };
  },
};

export const trustVerifyRows: readonly Row[] = [hitRow, ...verifyRows, grownRow];
