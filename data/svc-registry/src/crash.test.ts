import { openTable } from '@ron/journal';
import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { addressFromHash } from '@ron/naming';
import { verifyWithNode } from '@ron/policy';
import { createSnapshotClient } from '@ron/signed';
import { expect, test } from 'vitest';
import { Proposals } from './proposals.ts';
import { Registry } from './registry.ts';
import { type RegistryRow, registryTableLimits } from './rows.ts';
import { ann, bob, cid, genesisOf } from './testing/test-bed.ts';
import { listOf, signedBy } from './testing/test-signer.ts';

const roots = { signers: listOf(ann, bob, cid), threshold: 2 };

async function open(env: SimEnv): Promise<Registry> {
  const table = await openTable<RegistryRow>({
    env,
    folder: 'registry',
    ...registryTableLimits,
    // So small that the log is written again, and its history dropped, in between.
    logBytesMin: 20_000,
    segmentBytes: 20_000,
  });
  const blake3 = (bytes: Uint8Array) => addressFromHash(env.work.blake3(bytes));
  const parts = { table, clock: env.clock, verify: verifyWithNode, blake3, snapshotsMax: () => 3 };
  const genesis = async () => signedBy(genesisOf(Date.UTC(2026, 0, 1)), ann, bob);
  return Registry.open(parts, { roots, genesis });
}

/** Proposes, signs and commits. `note` hears of each head that was acknowledged. */
async function work(registry: Registry, rounds: number, note: (version: number) => void): Promise<void> {
  const proposals = new Proposals(registry);
  note(registry.head!.version);
  for (let round = 0; round < rounds; round += 1) {
    const { version } = registry.head!;
    const { proposal } = await proposals.propose({
      changes: [{ set: { id: 'node/one', kind: 'micronode', meta: { round } } }],
      expiresAt: registry.parts.clock.wallMs() + 1_000_000,
      expectedVersion: version,
      proposedBy: 'test',
    });
    const document = JSON.parse(proposals.documentText(proposal).text);
    await proposals.approve(proposal, [...ann.sign(document), ...cid.sign(document)]);
    await proposals.commit(proposal);
    note(version + 1);
  }
}

/** What anybody would check who comes to this node: the chain as it is stored, from the first to the head. */
function walk(registry: Registry): number {
  const { blake3, verify } = registry.parts;
  const client = createSnapshotClient({ trusted: roots, verify, now: () => Date.UTC(2026, 0, 1), blake3 });
  const head = registry.head!;
  const texts = [];
  for (let version = Math.max(1, head.version - 2); version <= head.version; version += 1) {
    texts.push(registry.textOf(version)!);
  }
  expect(client.accept(texts)).toMatchObject({ id: head.id, version: head.version });
  expect(registry.idOf(registry.held().snapshot)).toBe(head.id);
  return head.version;
}

test.each(['write', 'sync', 'open', 'syncDirectory'] as const)(
  'after a power cut at any %s the head is the old or the new one, whole, and the chain holds',
  async (kind) => {
    let faults = 0;
    for (let nth = 1; nth <= 200; nth += 1) {
      const env = createSimEnv({ seed: `${kind} ${nth}` });
      env.machineDisk.faults.failNth(kind, nth);
      let acknowledged = 0;
      let failed = false;
      try {
        await work(await open(env), 3, (version) => {
          acknowledged = version;
        });
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        failed = true;
      }
      env.machineDisk.faults.calm();
      const again = await open(env.crash());
      const version = walk(again);
      expect([acknowledged, acknowledged + 1], `seed "${kind} ${nth}"`).toContain(version);
      // And it goes on from there.
      await work(again, 1, () => undefined);
      expect(walk(again)).toBe(version + 1);
      if (!failed) break;
      faults += 1;
    }
    expect(faults).toBeGreaterThan(0);
  },
);
