import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { encodeSigned, type SignedDocument } from '@ron/signed';
import { describe, expect, test } from 'vitest';
import type { PolicyDocument } from './document.ts';
import type { CurrentRow, PolicyRow, PolicyTable } from './rows.ts';
import { diskTable, ramTable, reasonOf, request, startEngine } from './testing/engine.ts';
import { ann, ben, policyOf, textBy } from './testing/signers.ts';

const rules = 'forbid(principal, action, resource in Resource::"n/docs");';

/** Three policies, one after the other; resolves with the versions that were acknowledged. */
async function activateThree(env: SimEnv): Promise<readonly number[]> {
  const done: number[] = [];
  const { engine } = await startEngine({ table: await diskTable(env) });
  for (const version of [1, 2, 3]) {
    const previous = engine.current()?.id;
    const document = policyOf({ version, rules, ...(previous === undefined ? {} : { previous }) });
    await engine.activate(await textBy(document, ann, ben));
    done.push(version);
  }
  await engine[Symbol.asyncDispose]();
  return done;
}

test('what was in force is in force after a start, and older versions stay refused', async () => {
  const env = createSimEnv({ seed: 3 });
  await activateThree(env);
  const seen: number[] = [];
  const { engine } = await startEngine({
    table: await diskTable(env.kill()),
    onChange: ({ version }) => seen.push(version),
  });
  await using _closed = engine;
  expect([engine.current()?.version, seen, engine.history().length]).toEqual([3, [3], 3]);
  expect(await reasonOf(() => engine.stage.decide(request('read', 'n/docs')))).toBe('forbidden');
  const again = policyOf({ version: 3, previous: engine.current()?.id ?? '', rules });
  expect(await reasonOf(async () => engine.activate(await textBy(again, ann, ben)))).toBe('older');
});

test('a failure or a power cut at any operation of the disk loses no policy that was acknowledged', async () => {
  let failures = 0;
  for (const kind of ['write', 'sync', 'open', 'syncDirectory'] as const) {
    for (let nth = 1; nth <= 12; nth += 1) {
      const env = createSimEnv({ seed: nth });
      env.machineDisk.faults.failNth(kind, nth);
      const acknowledged: number[] = [];
      try {
        const { engine } = await startEngine({ table: await diskTable(env) });
        for (const version of [1, 2, 3]) {
          const previous = engine.current()?.id;
          const document = policyOf({ version, rules, ...(previous === undefined ? {} : { previous }) });
          await engine.activate(await textBy(document, ann, ben));
          acknowledged.push(version);
        }
      } catch (error) {
        failures += 1;
        expect(['insufficient_storage', 'unavailable', 'EIO', 'ENOSPC']).toContain((error as { code?: string }).code);
      }
      env.machineDisk.faults.calm();
      const { engine } = await startEngine({ table: await diskTable(env.crash()) });
      await using _closed = engine;
      const found = engine.current()?.version ?? 0;
      const last = acknowledged.at(-1) ?? 0;
      expect([last, last + 1]).toContain(found);
      if (found > 0) {
        expect(await reasonOf(() => engine.stage.decide(request('read', 'n/docs')))).toBe('forbidden');
      }
      const previous = engine.current()?.id;
      const next = policyOf({ version: found + 1, rules, ...(previous === undefined ? {} : { previous }) });
      expect(await reasonOf(async () => engine.activate(await textBy(next, ann, ben)))).toBe('accepted');
    }
  }
  // Otherwise nothing was tried.
  expect(failures).toBeGreaterThan(5);
});

describe('a stored policy that was changed stops the start', () => {
  async function changed(change: (row: CurrentRow) => PolicyRow | undefined): Promise<string> {
    const table = ramTable();
    const { engine } = await startEngine({ table });
    await engine.activate(await textBy(policyOf({ rules }), ann, ben));
    const row = table.get('current') as CurrentRow;
    await table.transact(() => ({ changes: [['current', change(row)]], result: undefined }));
    return reasonOf(() => startEngine({ table }));
  }
  const edited = (row: CurrentRow, edit: (signed: SignedDocument<PolicyDocument>) => unknown) =>
    encodeSigned(edit(JSON.parse(row.signed)) as SignedDocument<PolicyDocument>);

  test.each<[string, (row: CurrentRow) => PolicyRow]>([
    [
      'a field of the document',
      (row) => ({
        ...row,
        signed: edited(row, ({ document: { rules: _, ...document }, signatures }) => ({ document, signatures })),
      }),
    ],
    ['the signatures', (row) => ({ ...row, signed: edited(row, ({ document }) => ({ document, signatures: [] })) })],
    ['the text', (row) => ({ ...row, signed: row.signed.slice(0, -10) })],
    ['the id', (row) => ({ ...row, policy: `b3:${'0'.repeat(64)}` })],
  ])('%s', async (_what, change) => {
    expect(await changed(change)).not.toBe('accepted');
    expect(await changed((row) => row)).toBe('accepted');
  });

  test('an older policy put back', async () => {
    const table: PolicyTable = ramTable();
    const { engine } = await startEngine({ table });
    const first = await engine.activate(await textBy(policyOf({ rules }), ann, ben));
    const row = table.get('current') as CurrentRow;
    await engine.activate(await textBy(policyOf({ rules, version: 2, previous: first.policy }), ann, ben));
    await table.transact(() => ({ changes: [['current', row]], result: undefined }));
    expect(await reasonOf(() => startEngine({ table }))).toBe('integrity');
  });
});
