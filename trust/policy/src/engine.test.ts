import { createSimEnv } from '@ron/kernel/sim';
import { encodeSigned, parseSigned } from '@ron/signed';
import { describe, expect, test } from 'vitest';
import type { PolicyDocument } from './document.ts';
import { diskTable, ramTable, reasonOf, request, startEngine } from './testing/engine.ts';
import { ann, ben, createSigner, cy, dayMs, policyOf, signedBy, startMs, textBy } from './testing/signers.ts';

const forbidDocs = 'forbid(principal, action == Action::"write", resource in Resource::"n/docs");';

/** The first policy in force, and the text of one that may follow. */
async function withFirst(fields: Partial<PolicyDocument> = {}) {
  const started = await startEngine();
  const first = await started.engine.activate(await textBy(policyOf(fields), ann, ben));
  const next = (more: Partial<PolicyDocument> = {}) =>
    policyOf({ ...fields, version: 2, previous: first.policy, ...more });
  return { ...started, first, next };
}

describe.each([
  ['RAM', async () => ramTable()],
  ['disk', () => diskTable(createSimEnv({ seed: 1 }))],
] as const)('a policy kept in %s', (_name, make) => {
  test('comes into force at once, with its rules, metrics and listeners', async () => {
    const { engine, metrics } = await startEngine({ table: await make() });
    await using _closed = engine;
    const seen: number[] = [];
    engine.onChange(({ version, document }) => seen.push(version, document.quotas?.burst ?? 0));
    engine.stage.decide(request('write', 'n/docs/a'));
    const document = policyOf({ rules: forbidDocs, quotas: { burst: 7 } });
    const done = await engine.activate(await textBy(document, ann, ben));
    expect(done).toEqual({
      policy: engine.current()?.id,
      version: 1,
      activated_at: startMs,
      break_change: false,
      signers: ['ann', 'ben'],
    });
    expect(engine.current()).toMatchObject({ version: 1, document, activatedMs: startMs });
    expect(seen).toEqual([1, 7]);
    expect(() => engine.stage.decide(request('write', 'n/docs/a'))).toThrow(
      expect.objectContaining({ code: 'forbidden', details: { policy: done.policy, rule: 'policy0' } }),
    );
    engine.stage.decide(request('read', 'n/docs/a'));
    const text = await metrics.exposition();
    expect(text).toContain('policy_version 1\n');
    expect(text).toContain('policy_decisions_total{decision="allow"} 2\n');
    expect(text).toContain('policy_decisions_total{decision="deny"} 1\n');
  });

  test('is replaced by the next one, whose verdicts count from then on', async () => {
    const { engine } = await startEngine({ table: await make() });
    await using _closed = engine;
    const first = await engine.activate(await textBy(policyOf({ rules: forbidDocs }), ann, ben));
    expect(await reasonOf(() => engine.stage.decide(request('write', 'n/docs/a')))).toBe('forbidden');
    const freed = { version: 5, previous: first.policy, break_change: true, reason: 'docs are open again' };
    await engine.activate(await textBy(policyOf(freed), ben, cy));
    engine.stage.decide(request('write', 'n/docs/a'));
    expect(engine.history()).toMatchObject([
      { version: 5, previous: first.policy, reason: 'docs are open again' },
      { version: 1, policy: first.policy },
    ]);
  });
});

describe('refused', () => {
  test('without root signers, with what to do about it', async () => {
    const { engine } = await startEngine({ rootSigners: [] });
    const task = textBy(policyOf(), ann, ben).then((text) => engine.activate(text));
    await expect(task).rejects.toMatchObject({ code: 'conflict', details: { reason: 'no_root' } });
    await expect(task).rejects.toThrow('root_signers');
  });

  test('root signers who could never sign', async () => {
    const twin = { ...ann.listed, name: 'twin' };
    for (const options of [
      { rootSigners: [ann.listed, twin], rootThreshold: 1 },
      { rootSigners: [ann.listed, ben.listed], rootThreshold: 3 },
      { rootSigners: [ann.listed], rootThreshold: 0 },
      { rootSigners: [{ name: 'ann', ed25519: 'short' }], rootThreshold: 1 },
    ]) {
      expect(await reasonOf(() => startEngine(options))).toBe('bad_request');
    }
  });

  test('an unsigned document', async () => {
    const { engine, next } = await withFirst();
    expect(await reasonOf(async () => engine.activate(await textBy(next())))).toBe('unsigned');
  });

  test('one signature less than the threshold; exactly as many and one more are accepted', async () => {
    for (const [by, expected] of [
      [[ann], 'under_signed'],
      [[ann, ben], 'accepted'],
      [[ann, ben, cy], 'accepted'],
    ] as const) {
      const { engine } = await startEngine();
      expect(await reasonOf(async () => engine.activate(await textBy(policyOf(), ...by)))).toBe(expected);
    }
  });

  test('half a hybrid signature does not count', async () => {
    const { engine } = await startEngine();
    const { document, signatures } = await signedBy(policyOf(), ann, cy);
    const half = signatures.filter(({ alg, signer }) => signer === 'ann' || alg === 'ed25519');
    expect(await reasonOf(() => engine.activate(encodeSigned({ document, signatures: half })))).toBe('under_signed');
    expect(await reasonOf(() => engine.activate(encodeSigned({ document, signatures })))).toBe('accepted');
  });

  test('signatures of strangers, of the next signers, and of the same signers under another document', async () => {
    const [eve, mal] = [createSigner('ann'), createSigner('ben')];
    const { engine, next } = await withFirst();
    expect(await reasonOf(async () => engine.activate(await textBy(next(), eve, mal)))).toBe('under_signed');
    const taken = next({ signers: [eve.listed, mal.listed], break_change: true, reason: 'new signers' });
    expect(await reasonOf(async () => engine.activate(await textBy(taken, eve, mal)))).toBe('under_signed');
    const { signatures } = await signedBy(next(), ann, ben);
    const other = next({ version: 3 });
    expect(await reasonOf(() => engine.activate(encodeSigned({ document: other, signatures })))).toBe('under_signed');
    expect(engine.current()?.version).toBe(1);
  });

  test('one key under two names is one signer, and a document with it is malformed', async () => {
    const twin = { ...ann, name: 'twin', listed: { ...ann.listed, name: 'twin' } };
    const { engine } = await startEngine();
    expect(await reasonOf(async () => engine.activate(await textBy(policyOf(), ann, twin)))).toBe('under_signed');
    const listed = policyOf({ signers: [ann.listed, twin.listed] });
    expect(await reasonOf(async () => engine.activate(await textBy(listed, ann, ben)))).toBe('malformed');
  });

  test('a signature made for a registry document', async () => {
    const { engine } = await startEngine();
    const document = policyOf();
    const { signatures } = await signedBy({ ...document, type: 'ron-registry' as 'ron-policy' }, ann, ben);
    expect(await reasonOf(() => engine.activate(encodeSigned({ document, signatures })))).toBe('under_signed');
    const registry = await textBy({ ...document, type: 'ron-registry' as 'ron-policy' }, ann, ben);
    expect(await reasonOf(() => engine.activate(registry))).toBe('malformed');
  });

  test('an older version, the same version, and the document in force', async () => {
    const { engine, next } = await withFirst({ version: 5 });
    for (const [version, expected] of [
      [4, 'older'],
      [5, 'older'],
      [6, 'accepted'],
    ] as const) {
      expect(await reasonOf(async () => engine.activate(await textBy(next({ version }), ann, ben)))).toBe(expected);
    }
    const text = encodeSigned(engine.current()?.signed as never);
    expect(await reasonOf(() => engine.activate(text))).toBe('older');
  });

  test('a fork: no predecessor, another one, or one where there is none', async () => {
    const { engine, next } = await withFirst();
    const other = `b3:${'0'.repeat(64)}`;
    const { previous: _, ...orphan } = next();
    expect(await reasonOf(async () => engine.activate(await textBy(orphan, ann, ben)))).toBe('fork');
    expect(await reasonOf(async () => engine.activate(await textBy(next({ previous: other }), ann, ben)))).toBe('fork');
    const { engine: fresh } = await startEngine();
    const heir = policyOf({ previous: other });
    expect(await reasonOf(async () => fresh.activate(await textBy(heir, ann, ben)))).toBe('fork');
  });

  test('an expired document, and one dated further ahead than clocks may differ', async () => {
    for (const [fields, expected] of [
      [{ expires_at: startMs - 1 + 1 }, 'expired'],
      [{ expires_at: startMs + 1 }, 'accepted'],
      [{ issued_at: startMs + 60_000 }, 'accepted'],
      [{ issued_at: startMs + 60_001 }, 'not_yet'],
    ] as const) {
      const { engine } = await startEngine();
      expect(await reasonOf(async () => engine.activate(await textBy(policyOf(fields), ann, ben)))).toBe(expected);
    }
  });

  test('what allows more without saying so, with the list of what it is', async () => {
    const { engine, next } = await withFirst({ quotas: { burst: 10 }, rules: forbidDocs });
    const wide = next({ quotas: { burst: 11 }, rules: '' });
    const task = textBy(wide, ann, ben).then((text) => engine.activate(text));
    await expect(task).rejects.toMatchObject({
      code: 'conflict',
      details: {
        reason: 'widens',
        widenings: [
          { what: 'quotas.burst', from: '10', to: '11' },
          { what: 'rules.policy0', to: 'no such forbid' },
        ],
      },
    });
    const said = { ...wide, break_change: true, reason: 'a bigger machine' };
    expect(await engine.activate(await textBy(said, ann, ben))).toMatchObject({ break_change: true, version: 2 });
  });

  test('a text that is no policy', async () => {
    const { engine } = await startEngine();
    for (const text of [
      '',
      '{}',
      'null',
      '{"document":{"type":"ron-policy"},"signatures":[]}',
      'x'.repeat(1_048_577),
    ]) {
      expect(await reasonOf(() => engine.activate(text)), text.slice(0, 30)).toBe('malformed');
    }
  });
});

test('an expired policy stays in force and says so; its signers can follow it up', async () => {
  const { engine, next, time } = await withFirst({ rules: forbidDocs });
  time.nowMs = startMs + 30 * dayMs - 1;
  expect(engine.expired).toBe(false);
  time.nowMs += 1;
  expect(engine.expired).toBe(true);
  expect(await reasonOf(() => engine.stage.decide(request('write', 'n/docs/a')))).toBe('forbidden');
  await engine.activate(await textBy(next({ expires_at: time.nowMs + dayMs }), ann, ben));
  expect(engine.expired).toBe(false);
});

test('the signers of a policy decide about the next one, and no longer those before them', async () => {
  const { engine, first } = await withFirst();
  const [dan, eli] = [createSigner('dan'), createSigner('eli')];
  const handover = { signers: [dan.listed, eli.listed], break_change: true, reason: 'a new team' };
  const second = await engine.activate(
    await textBy(policyOf({ version: 2, previous: first.policy, ...handover }), ann, ben),
  );
  const third = policyOf({ ...handover, version: 3, previous: second.policy });
  expect(await reasonOf(async () => engine.activate(await textBy(third, ann, ben)))).toBe('under_signed');
  expect(await reasonOf(async () => engine.activate(await textBy(third, dan, eli)))).toBe('accepted');
});

test('of documents that race for one place, one wins and the others are refused', async () => {
  const { engine, next } = await withFirst();
  const texts = await Promise.all([2, 3, 4].map((version) => textBy(next({ version }), ann, ben)));
  const answers = await Promise.all(texts.map((text) => reasonOf(() => engine.activate(text))));
  expect(answers.filter((answer) => answer === 'accepted')).toHaveLength(1);
  expect(answers.filter((answer) => ['older', 'fork'].includes(answer))).toHaveLength(2);
});

test('rules cannot lock out those who replace them', async () => {
  const { engine } = await withFirst({ rules: 'forbid(principal, action, resource);' });
  expect(await reasonOf(() => engine.stage.decide(request('admin', 'admin/kms')))).toBe('forbidden');
  engine.stage.decide(request('admin', 'admin/policy'));
});

describe('explain', () => {
  test('says what the stage says, and which rules', async () => {
    const { engine, first } = await withFirst({ rules: `@id("docs") ${forbidDocs}` });
    const asked = { op: '', method: 'write', resource: 'n/docs/a', subject: 'alice', tenant: '', capabilityId: '' };
    expect(engine.explain(asked)).toMatchObject({
      decision: 'deny',
      policy: first.policy,
      rules: [{ rule: 'docs', effect: 'forbid' }],
    });
    expect(engine.explain({ ...asked, method: 'read' })).toMatchObject({ decision: 'allow', rules: [] });
    expect((await startEngine()).engine.explain(asked)).toMatchObject({ decision: 'allow', rules: [] });
  });
});

test('a signed document is one line of canonical JSON that reads back', async () => {
  const text = await textBy(policyOf(), ann);
  expect(text.split('\n')).toHaveLength(2);
  expect(encodeSigned(parseSigned(text))).toBe(text);
});
