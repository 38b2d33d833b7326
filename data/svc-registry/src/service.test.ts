import { verifyWithNode } from '@ron/policy';
import { createSnapshotClient } from '@ron/signed';
import { describe, expect, test } from 'vitest';
import { ann, bob, cid, dan, outcomeOf, startRegistry, stranger } from './testing/test-bed.ts';
import { listOf } from './testing/test-signer.ts';

const node = (name: string, more: object = {}) => ({ set: { id: `node/${name}`, kind: 'micronode', ...more } });

describe.each(['RAM', 'journal'] as const)('a registry in %s', (engine) => {
  test('goes from a proposal over approvals to the head, and a client can follow', async () => {
    await using bed = await startRegistry({ engine });
    const client = createSnapshotClient({
      trusted: { signers: listOf(ann, bob, cid), threshold: 2 },
      verify: verifyWithNode,
      now: () => bed.env.clock.wallMs(),
      blake3: bed.blake3,
    });
    client.accept(await bed.snapshotText(1));
    await bed.pass(1_000);
    const proposed = await bed.propose([
      node('two', { endpoints: ['oap+tls://10.0.0.2:9601'] }),
      { remove: 'node/one' },
    ]);
    expect(proposed).toMatchObject({ version: 2, approvals: 0, threshold: 2, ready: false, stale: false, changes: 2 });
    expect(await outcomeOf(bed.commit(proposed.proposal))).toBe('forbidden unsigned');
    expect(await bed.approve(proposed.proposal, ann)).toMatchObject({ approved_by: ['ann'], ready: false });
    expect(await outcomeOf(bed.commit(proposed.proposal))).toBe('forbidden under_signed');
    const approved = await bed.approve(proposed.proposal, cid);
    expect(approved).toMatchObject({ approved_by: ['ann', 'cid'], approvals: 2, ready: true });
    expect(await bed.run(bed.peer.proposals({}))).toEqual({ proposals: [approved] });
    const head = await bed.commit(proposed.proposal);
    expect(head).toMatchObject({ version: 2, id: proposed.proposal, issued_at: bed.first.issued_at + 1_000 });
    expect(await bed.head()).toEqual(head);
    expect(await bed.run(bed.peer.proposals({}))).toEqual({ proposals: [] });
    expect(client.accept(await bed.snapshotText(2))).toMatchObject({ outcome: 'accepted', version: 2 });
    expect(client.current().descriptors).toEqual([
      { id: 'node/two', kind: 'micronode', endpoints: ['oap+tls://10.0.0.2:9601'] },
    ]);
    expect(await bed.metric('registry_version')).toBe(2);
  });

  test('of two proposals on one head the second is stale', async () => {
    await using bed = await startRegistry({ engine });
    const [one, two] = [await bed.propose([node('two')]), await bed.propose([node('three')])];
    for (const { proposal } of [one, two]) await bed.approve(proposal, ann, bob);
    await bed.commit(one.proposal);
    expect(await outcomeOf(bed.commit(two.proposal))).toBe('conflict stale');
    expect(await outcomeOf(bed.approve(two.proposal, cid))).toBe('conflict stale');
    expect((await bed.run(bed.peer.proposals({}))).proposals).toMatchObject([{ proposal: two.proposal, stale: true }]);
    expect((await bed.held()).descriptors.map(({ id }) => id)).toEqual(['node/one', 'node/two']);
    expect(await bed.metric('registry_refused_total', { reason: 'stale' })).toBe(2);
  });

  test('of commits that race, each proposal has one winner', async () => {
    await using bed = await startRegistry({ engine });
    const made = [await bed.propose([node('two')]), await bed.propose([node('three')])];
    for (const { proposal } of made) await bed.approve(proposal, ann, bob);
    const outcomes = await bed.run(Promise.all(made.map(({ proposal }) => outcomeOf(bed.peer.commit({ proposal })))));
    expect(outcomes.sort()).toEqual(['conflict stale', 'taken']);
  });

  test('expected_version: one below, at and one above', async () => {
    await using bed = await startRegistry({ engine });
    await bed.change([node('two')]);
    for (const [expected_version, outcome] of [
      [1, 'conflict stale'],
      [3, 'conflict stale'],
      [2, 'taken'],
    ] as const) {
      expect(await outcomeOf(bed.propose([node('x')], { expected_version }))).toBe(outcome);
    }
  });

  test('the same signature twice is one approval', async () => {
    await using bed = await startRegistry({ engine });
    const { proposal } = await bed.propose([node('two')]);
    await bed.approve(proposal, ann);
    expect(await bed.approve(proposal, ann)).toMatchObject({ approvals: 1, ready: false });
  });

  test('a signature that does not hold, or of a stranger, is refused and nothing of the call counts', async () => {
    await using bed = await startRegistry({ engine });
    const { proposal } = await bed.propose([node('two')]);
    expect(await outcomeOf(bed.approve(proposal, ann, stranger))).toBe('forbidden unknown_signer');
    const wrong = [...ann.sign(bed.first), ...bob.sign(await bed.documentOf(proposal))];
    expect(await outcomeOf(bed.run(bed.peer.approve({ proposal, signatures: wrong })))).toBe('forbidden bad_signature');
    expect((await bed.run(bed.peer.proposals({}))).proposals).toMatchObject([{ approvals: 0 }]);
    expect(await outcomeOf(bed.run(bed.peer.approve({ proposal })))).toBe('bad_request unsigned');
    expect(await outcomeOf(bed.run(bed.peer.approve({ proposal, as_node: true })))).toBe('forbidden unknown_signer');
  });

  test('both algorithms of a signer with two keys must hold', async () => {
    await using bed = await startRegistry({ engine });
    const { proposal } = await bed.propose([node('two')]);
    const document = await bed.documentOf(proposal);
    const signatures = [...ann.sign(document), ...bob.sign(document, ['ed25519'])];
    expect(await bed.run(bed.peer.approve({ proposal, signatures }))).toMatchObject({ approved_by: ['ann'] });
    expect(await outcomeOf(bed.commit(proposal))).toBe('forbidden under_signed');
    await bed.run(bed.peer.approve({ proposal, signatures: bob.sign(document, ['ml-dsa-65']) }));
    expect(await bed.commit(proposal)).toMatchObject({ version: 2 });
  });

  test('new signers need the threshold of the old list and of their own', async () => {
    await using bed = await startRegistry({ engine });
    const { proposal } = await bed.propose([{ signers: listOf(cid, dan), threshold: 2 }]);
    expect(await bed.approve(proposal, cid, dan)).toMatchObject({ approvals: 1, new_approvals: 2, ready: false });
    expect(await outcomeOf(bed.commit(proposal))).toBe('forbidden under_signed');
    expect(await bed.approve(proposal, ann)).toMatchObject({ approvals: 2, ready: true });
    await bed.commit(proposal);
    const next = await bed.propose([node('two')]);
    expect(await outcomeOf(bed.approve(next.proposal, ann))).toBe('forbidden unknown_signer');
    await bed.approve(next.proposal, cid, dan);
    expect(await bed.commit(next.proposal)).toMatchObject({ version: 3 });
  });

  test('a revoked signer has no vote, not even on his own revocation, and never comes back', async () => {
    await using bed = await startRegistry({ engine });
    const { proposal } = await bed.propose([{ revoke_signer: 'bob' }]);
    expect(await outcomeOf(bed.approve(proposal, bob))).toBe('forbidden revoked_signer');
    await bed.approve(proposal, ann, cid);
    await bed.commit(proposal);
    expect(await bed.held()).toMatchObject({
      signers: listOf(ann, cid),
      revoked_signers: [{ name: 'bob', key: bob.signer.keys.ed25519 }],
    });
    const next = await bed.propose([node('two')]);
    expect(await outcomeOf(bed.approve(next.proposal, bob))).toBe('forbidden revoked_signer');
    const back = [{ signers: listOf(ann, bob, cid), threshold: 2 }];
    expect(await outcomeOf(bed.propose(back))).toBe('bad_request malformed');
    expect(await outcomeOf(bed.propose([{ revoke_signer: 'bob' }]))).toBe('bad_request unknown_signer');
    // Two are left and two must sign.
    expect(await outcomeOf(bed.propose([{ revoke_signer: 'cid' }]))).toBe('bad_request malformed');
  });

  test('a signer keeps its keys: new ones need a new name', async () => {
    await using bed = await startRegistry({ engine });
    const renewed = { ...dan.signer, name: 'ann' };
    expect(await outcomeOf(bed.propose([{ signers: [renewed, bob.signer], threshold: 2 }]))).toBe(
      'forbidden signer_changed',
    );
    expect(await outcomeOf(bed.propose([{ signers: [ann.signer, ann.signer], threshold: 1 }]))).toBe(
      'bad_request malformed',
    );
  });

  test('a proposal is open for 24 hours, to the millisecond', async () => {
    await using bed = await startRegistry({ engine, genesis: (now) => ({ expires_at: now + 200_000_000 }) });
    const { proposal, open_until } = await bed.propose([node('two')]);
    await bed.approve(proposal, ann, bob);
    await bed.pass(open_until - bed.env.clock.wallMs() - 1);
    expect((await bed.run(bed.peer.proposals({}))).proposals).toHaveLength(1);
    await bed.pass(1);
    expect(await outcomeOf(bed.commit(proposal))).toBe('not_found closed');
    expect((await bed.run(bed.peer.proposals({}))).proposals).toEqual([]);
    expect(await outcomeOf(bed.approve(proposal, ann))).toBe('not_found closed');
    await bed.change([node('two')]);
    expect(bed.table.get(`proposal/${proposal}`)).toBeUndefined();
  });

  test('what changes nothing that is there is refused', async () => {
    await using bed = await startRegistry({ engine });
    expect(await outcomeOf(bed.propose([{ remove: 'node/none' }]))).toBe('not_found malformed');
    expect(await outcomeOf(bed.propose([{ revoke_signer: 'eve' }]))).toBe('bad_request unknown_signer');
    expect(await outcomeOf(bed.propose([], { expires_at: bed.env.clock.wallMs() }))).toBe('bad_request expired');
    expect(await outcomeOf(bed.run(bed.peer.snapshot({ version: 2 })))).toBe('not_found');
  });

  test('goes on after a restart: head, history, proposals, approvals', async () => {
    const bed = await startRegistry({ engine });
    await bed.change([node('two')]);
    const { proposal } = await bed.propose([node('three')]);
    await bed.approve(proposal, ann);
    if (engine === 'RAM') return bed[Symbol.asyncDispose]();
    await bed[Symbol.asyncDispose]();
    await using again = await startRegistry({ engine, env: bed.env.kill() });
    await again.approve(proposal, bob);
    expect(await again.commit(proposal)).toMatchObject({ version: 3 });
    expect(await again.snapshotText(1)).toContain('node/one');
  });
});

test('an expired head can be renewed', async () => {
  await using bed = await startRegistry({ genesis: (now) => ({ expires_at: now + 1_000 }) });
  await bed.pass(5_000);
  expect(bed.gates()).toContainEqual({
    gate: 'registry.head',
    ok: false,
    reason: expect.stringContaining('expired at') as string,
  });
  expect(await bed.change([])).toMatchObject({ version: 2 });
  expect(bed.gates().every(({ ok }) => ok)).toBe(true);
});

test('the gate says when the head expires, from seven days before', async () => {
  const week = 604_800_000;
  await using bed = await startRegistry({ genesis: (now) => ({ expires_at: now + week + 1 }) });
  expect(bed.gates()).toContainEqual({ gate: 'registry.head', ok: true });
  await bed.pass(1);
  expect(bed.gates()).toContainEqual({
    gate: 'registry.head',
    ok: true,
    reason: `the newest snapshot expires at ${new Date(bed.first.expires_at).toISOString()}`,
  });
});

test('without a first snapshot it waits, not ready, and refuses', async () => {
  await using bed = await startRegistry({ engines: { genesis: undefined as never } });
  expect(bed.gates()).toContainEqual({
    gate: 'registry.head',
    ok: false,
    reason: 'the registry has no snapshot yet',
  });
  for (const work of [bed.head, () => bed.propose([], { expected_version: 1 })]) {
    expect(await outcomeOf(work())).toBe('not_found empty');
  }
});
