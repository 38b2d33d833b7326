import { createSimEnv } from '@ron/kernel/sim';
import type { Hello } from '@ron/proto/overlay';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkHello, signHello } from './hello.ts';
import type { ChannelProof } from './ports.ts';
import { signRecord } from './records.ts';
import { signerOf, verifyEd25519 } from './testing/real-keys.ts';
import { outcomeOf } from './testing/small-network.ts';

const env = createSimEnv({ seed: 1 });
const [ann, bob, eve] = [signerOf(1), signerOf(2), signerOf(3)];
const about = { addresses: ['10.0.0.1:9700'], region: 'eu', version: '0.1.0' };
const binding = new Uint8Array(32).fill(7);

const portsOf = (signer: typeof ann, clock = env.clock) => ({
  signer,
  clock,
  random: env.random,
  verify: verifyEd25519,
  blake3: (bytes: Uint8Array) => env.work.blake3(bytes),
});
const fromAnn: ChannelProof = { peer: bob.id, role: 'initiator', binding };
const atBob: ChannelProof = { peer: ann.id, role: 'responder', binding };

async function annsHello(channel = fromAnn): Promise<Hello> {
  const record = await signRecord(portsOf(ann), about, 5);
  return signHello(portsOf(ann), record, channel);
}

const verdictOf = (hello: Hello, channel: ChannelProof, ports = portsOf(bob), nonce?: string) =>
  outcomeOf((async () => checkHello(ports, hello, channel, nonce))());

describe('a hello', () => {
  test('holds on its channel, both ways', async () => {
    const hello = await annsHello();
    expect(await verdictOf(hello, atBob)).toBe('taken');
    const answer = await signHello(portsOf(bob), await signRecord(portsOf(bob), about, 5), atBob, hello.nonce);
    expect(await verdictOf(answer, fromAnn, portsOf(ann), hello.nonce)).toBe('taken');
  });

  test('with another node’s id is refused, whoever signed it', async () => {
    const hello = await annsHello();
    expect(await verdictOf(hello, { ...atBob, peer: eve.id })).toBe('bad_request other_node');
    const record = { ...(await signRecord(portsOf(eve), about, 5)), id: ann.id };
    const stolen = await signHello(portsOf(eve), record, fromAnn);
    expect(await verdictOf(stolen, atBob)).toBe('bad_request signature');
  });

  test('is no hello on another channel, to another node, or in the other direction', async () => {
    const hello = await annsHello();
    expect(await verdictOf(hello, { ...atBob, binding: new Uint8Array(32).fill(8) })).toBe('bad_request signature');
    expect(await verdictOf(hello, atBob, portsOf(eve))).toBe('bad_request signature');
    expect(await verdictOf(hello, { ...atBob, role: 'initiator' })).toBe('bad_request signature');
  });

  test.each([
    [-60_001, 'bad_request stale'],
    [-60_000, 'taken'],
    [60_000, 'taken'],
    [60_001, 'bad_request stale'],
  ])('made %d ms away from the receiver’s clock: %s', async (skewMs, verdict) => {
    const hello = await annsHello();
    const { clock } = createSimEnv({ seed: 2 });
    clock.jumpWall(hello.issued_at - clock.wallMs() - skewMs);
    expect(await verdictOf(hello, atBob, portsOf(bob, clock))).toBe(verdict);
  });

  test('as an answer repeats the nonce that it answers', async () => {
    const hello = await annsHello();
    expect(await verdictOf(hello, atBob, portsOf(bob), 'A'.repeat(22))).toBe('bad_request nonce');
  });

  test('changed anywhere does not hold', async () => {
    const hello = await annsHello();
    const changes = fc.constantFrom<Partial<Hello> | Partial<Hello['record']>>(
      { nonce: 'B'.repeat(22) },
      { issued_at: hello.issued_at + 1 },
      { signature: `A${hello.signature.slice(1)}` },
      { addresses: ['10.9.9.9:1'] },
      { region: 'us' },
      { free_bytes: 1 },
      { version: '9' },
      { incarnation: 6 },
      { public_key: Buffer.from(eve.publicKey).toString('base64url') },
    );
    await fc.assert(
      fc.asyncProperty(changes, async (change) => {
        const inHello = Object.keys(change).some((key) => ['nonce', 'issued_at', 'signature'].includes(key));
        const changed = inHello ? { ...hello, ...change } : { ...hello, record: { ...hello.record, ...change } };
        const [field, value] = Object.entries(change)[0]!;
        const before = inHello ? hello[field as 'nonce'] : hello.record[field as 'version'];
        fc.pre(before !== value);
        expect(await verdictOf(changed as Hello, atBob)).toMatch(/^bad_request (signature|stale)$/);
      }),
    );
  });
});
