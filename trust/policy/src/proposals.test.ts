import { describe, expect, test } from 'vitest';
import { proposalTtlMs } from './proposals.ts';
import { ramTable, reasonOf, startEngine } from './testing/engine.ts';
import { ann, ben, createSigner, cy, policyOf, signedBy, startMs, textBy } from './testing/signers.ts';

describe('a proposal', () => {
  test('collects signatures and comes into force with the last one needed', async () => {
    const { engine } = await startEngine();
    const document = policyOf();
    const state = await engine.propose(await textBy(document, ann));
    expect(state).toEqual({
      policy: state.policy,
      version: 1,
      threshold: 2,
      signers: ['ann'],
      proposed_at: startMs,
      expires_at: startMs + proposalTtlMs,
    });
    expect(engine.current()).toBeUndefined();
    expect(engine.proposals()).toEqual([state]);
    expect(engine.proposal(state.policy).signed).toEqual(await signedBy(document, ann));
    const { signatures } = await signedBy(document, cy);
    const done = await engine.approve(state.policy, signatures);
    expect(done.activated).toMatchObject({ version: 1, signers: ['ann', 'cy'] });
    expect(engine.current()?.signed.signatures.map(({ signer }) => signer)).toEqual(['ann', 'cy', 'cy']);
    expect(engine.proposals()).toEqual([]);
  });

  test('takes the two halves of a hybrid signature apart from each other', async () => {
    const { engine } = await startEngine();
    const document = policyOf();
    const { policy } = await engine.propose(await textBy(document, ann));
    const [first, second] = (await signedBy(document, cy)).signatures;
    expect(await engine.approve(policy, [first as never])).toMatchObject({ signers: ['ann'] });
    expect((await engine.approve(policy, [second as never])).activated).toMatchObject({ signers: ['ann', 'cy'] });
  });

  test('keeps only signatures that hold, and is not kept for those of strangers', async () => {
    const { engine } = await startEngine();
    const document = policyOf();
    const eve = createSigner('eve');
    expect(await reasonOf(async () => engine.propose(await textBy(document, eve)))).toBe('under_signed');
    expect(await reasonOf(async () => engine.propose(await textBy(document)))).toBe('unsigned');
    const { policy } = await engine.propose(await textBy(document, ann, eve));
    expect(engine.proposal(policy).signed.signatures.map(({ signer }) => signer)).toEqual(['ann']);
    const { signatures } = await signedBy(policyOf({ version: 2 }), ben);
    expect(await reasonOf(() => engine.approve(policy, signatures))).toBe('under_signed');
    expect(engine.proposal(policy).state.signers).toEqual(['ann']);
  });

  test('is refused as an activation would be', async () => {
    const { engine } = await startEngine();
    const first = await engine.activate(await textBy(policyOf({ version: 3 }), ann, ben));
    const next = { version: 4, previous: first.policy };
    const { previous: _, ...orphan } = policyOf(next);
    for (const [document, expected] of [
      [policyOf({ ...next, version: 3 }), 'older'],
      [orphan, 'fork'],
      [policyOf({ ...next, expires_at: startMs }), 'expired'],
      [policyOf({ ...next, public_prefixes: ['n/site'] }), 'widens'],
      [policyOf({ ...next, rules: 'permit(' }), 'malformed'],
      [policyOf(next), 'accepted'],
    ] as const) {
      expect(await reasonOf(async () => engine.propose(await textBy(document, ann)))).toBe(expected);
    }
  });

  test('is forgotten after 7 days, and when another policy comes into force', async () => {
    const { engine, time } = await startEngine();
    const document = policyOf();
    const { policy } = await engine.propose(await textBy(document, ann));
    const { signatures } = await signedBy(document, ben);
    time.nowMs += proposalTtlMs;
    expect(engine.proposals()).toEqual([]);
    expect(await reasonOf(() => engine.approve(policy, signatures))).toBe('not_found');
    await engine.propose(await textBy(document, ann));
    await engine.activate(await textBy(policyOf({ version: 2 }), ann, ben));
    expect(await reasonOf(() => engine.approve(policy, signatures))).toBe('not_found');
  });

  test('is one of 16 at most; those past their date make room', async () => {
    const { engine, time } = await startEngine({ table: ramTable() });
    const propose = (version: number) =>
      reasonOf(async () => engine.propose(await textBy(policyOf({ version, expires_at: startMs + 1_000 }), ann)));
    for (let version = 1; version <= 16; version += 1) expect(await propose(version)).toBe('accepted');
    expect(await propose(17)).toBe('too_many');
    expect(await propose(16)).toBe('accepted');
    time.nowMs += 1_000;
    expect(await reasonOf(async () => engine.propose(await textBy(policyOf({ version: 17 }), ann)))).toBe('accepted');
    expect(engine.proposals()).toHaveLength(1);
  });
});
