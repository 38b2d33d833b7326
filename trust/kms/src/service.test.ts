import type { Call, Handlers } from '@ron/proto/contract';
import { kmsContract, kmsRequestLimits } from '@ron/proto/kms';
import { beforeEach, describe, expect, test } from 'vitest';
import { openFileKms } from './file-kms.ts';
import type { KeyRequest, Kms } from './kms.ts';
import { createRamKms } from './ram-kms.ts';
import { kms as service } from './service.ts';
import { fileOptions, MemoryDisk } from './testing/memory-disk.ts';
import { refusalOf } from './testing/refusals.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const payload = { payload_base64: base64('message') };
const callOf = (tenant: string, idempotencyKey?: string) => ({ context: { tenant, idempotencyKey } }) as Call;
const admin = callOf('');
const acme = callOf('acme');
const rival = callOf('rival');

let keys: Kms;
let handlers: Handlers<typeof kmsContract>;

async function start(kms: Kms) {
  keys = kms;
  const running = await service.start({ engines: { kms }, config: { current: () => ({}) } } as never);
  handlers = running.handlers as Handlers<typeof kmsContract>;
  return running;
}
beforeEach(async () => {
  await start(createRamKms(fileOptions(new MemoryDisk()).env));
});

const create = async (alg: KeyRequest['alg'], call = acme) =>
  (await handlers.create({ purpose: 'orders', alg }, call)).kid;
const detailOf = async (task: () => unknown): Promise<unknown> => {
  try {
    await task();
  } catch (error) {
    return (error as { details?: { reason?: string } }).details?.reason;
  }
  return 'accepted';
};

describe('work', () => {
  test('signatures and tags verify, by bytes or by address', async () => {
    const address = `b3:${'0a'.repeat(32)}`;
    for (const alg of ['ed25519', 'ml-dsa-65'] as const) {
      const kid = await create(alg);
      for (const what of [payload, { address }]) {
        const { signature_base64 } = await handlers.sign({ kid, ...what }, acme);
        expect(await handlers.verify({ kid, ...what, signature_base64 }, acme)).toEqual({ valid: true });
        const other = { kid, payload_base64: base64('other'), signature_base64 };
        expect(await handlers.verify(other, acme)).toEqual({ valid: false });
      }
      const spelled = await handlers.sign({ kid, address }, acme);
      expect(await handlers.verify({ kid, payload_base64: base64(address), ...pick(spelled) }, acme)).toEqual({
        valid: true,
      });
      const { public_key_base64 } = await handlers.public_key({ kid }, acme);
      expect(Buffer.from(public_key_base64, 'base64')).toEqual(Buffer.from(keys.publicKey(kid)));
    }
    const kid = await create('hmac');
    const { tag_base64 } = await handlers.mac({ kid, ...payload }, acme);
    expect(await handlers.verify({ kid, ...payload, signature_base64: tag_base64 }, acme)).toEqual({ valid: true });
  });

  test('a payload has at most 64 KiB, is padded base64, and stands alone', async () => {
    const kid = await create('ed25519');
    const { payloadBytesMax } = kmsRequestLimits;
    for (const [bytes, expected] of [
      [payloadBytesMax - 1, 'accepted'],
      [payloadBytesMax, 'accepted'],
      [payloadBytesMax + 1, 'payload_too_large'],
    ] as const) {
      const payload_base64 = Buffer.alloc(bytes).toString('base64');
      expect(await refusalOf(() => handlers.sign({ kid, payload_base64 }, acme))).toBe(expected);
    }
    for (const bad of [{}, { ...payload, address: `b3:${'0a'.repeat(32)}` }, { payload_base64: 'YQ' }]) {
      expect(await refusalOf(() => handlers.sign({ kid, ...bad }, acme))).toBe('bad_request');
    }
  });

  test('wrapping, unwrapping and rewrapping over a rotation', async () => {
    const kid = await create('aes-256-gcm');
    const aad_base64 = base64('box/orders');
    const { wrapped_base64 } = await handlers.wrap({ kid, plaintext_base64: base64('data key'), aad_base64 }, acme);
    const next = await handlers.rotate({ kid }, acme);
    const opened = await handlers.unwrap({ kid: next.kid, wrapped_base64, aad_base64 }, acme);
    expect(opened).toEqual({ plaintext_base64: base64('data key') });
    expect(await detailOf(() => handlers.unwrap({ kid, wrapped_base64 }, acme))).toBe('unwrap');
    const report = await handlers.rewrap({ kid, items: [{ wrapped_base64, aad_base64 }, { wrapped_base64 }] }, acme);
    expect(report).toMatchObject({ kid: next.kid, done: 1, unchanged: 0, failed: 1 });
    expect(report.results[1]).toEqual({ outcome: 'failed' });
    const { kid: _kid, ...moved } = { kid, wrapped_base64: report.results[0]!.wrapped_base64!, aad_base64 };
    await handlers.retire({ kid }, acme);
    expect(await handlers.unwrap({ kid: next.kid, ...moved }, acme)).toEqual(opened);
    expect(await refusalOf(() => handlers.unwrap({ kid, wrapped_base64, aad_base64 }, acme))).toBe('not_found');
  });

  test('a rewrap takes 512 KiB of characters', async () => {
    const kid = await create('aes-256-gcm');
    const long = Buffer.alloc(3_072).toString('base64');
    const items = (characters: number) => {
      const aad = Array.from({ length: characters / 4_096 }, () => ({ wrapped_base64: '', aad_base64: long }));
      return [...aad, ...(characters % 4_096 === 4 ? [{ wrapped_base64: 'AAAA' }] : [])];
    };
    const max = kmsRequestLimits.rewrapCharactersMax;
    for (const [characters, expected] of [
      [max - 4_096, 'accepted'],
      [max, 'accepted'],
      [max + 4, 'payload_too_large'],
    ] as const) {
      expect(await refusalOf(() => handlers.rewrap({ kid, items: items(characters) }, acme))).toBe(expected);
    }
  });

  test('destruction answers its statement, and the listing keeps it', async () => {
    const kid = await create('hmac');
    expect(await detailOf(() => handlers.destroy({ kid }, acme))).toBe('active');
    const statement = await handlers.destroy({ kid, even_active: true }, acme);
    expect(await handlers.list({}, acme)).toMatchObject({
      keys: [{ kid, state: 'destroyed', destruction: statement }],
    });
  });

  test('an Idempotency-Key stands in for op_id', async () => {
    const input = { purpose: 'orders', alg: 'hmac' } as const;
    const first = await handlers.create(input, callOf('acme', 'the-key-of-a-client'));
    expect(await handlers.create(input, callOf('acme', 'the-key-of-a-client'))).toEqual(first);
    expect(await handlers.create({ ...input, op_id: 'the-key-of-a-client' }, acme)).toEqual(first);
    expect(
      await refusalOf(() => handlers.create({ ...input, alg: 'ed25519' }, callOf('acme', 'the-key-of-a-client'))),
    ).toBe('conflict');
  });

  test('a listing goes page by page', async () => {
    const kids = [];
    for (let count = 0; count < 5; count += 1) kids.push(await create('hmac'));
    const seen = [];
    let cursor: string | undefined;
    do {
      const page = await handlers.list({ limit: 2, ...(cursor === undefined ? {} : { cursor }) }, acme);
      seen.push(...page.keys.map((key) => key.kid));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(kids);
    expect(await refusalOf(() => handlers.list({ cursor: 'nonsense' }, acme))).toBe('bad_request');
  });
});

describe('tenants', () => {
  test('a foreign key is as unknown as none', async () => {
    const kids = { ed25519: await create('ed25519'), hmac: await create('hmac'), aes: await create('aes-256-gcm') };
    const { wrapped_base64 } = await handlers.wrap({ kid: kids.aes, plaintext_base64: base64('x') }, acme);
    const tasks = [
      () => handlers.public_key({ kid: kids.ed25519 }, rival),
      () => handlers.sign({ kid: kids.ed25519, ...payload }, rival),
      () => handlers.verify({ kid: kids.ed25519, ...payload, signature_base64: '' }, rival),
      () => handlers.mac({ kid: kids.hmac, ...payload }, rival),
      () => handlers.wrap({ kid: kids.aes, plaintext_base64: '' }, rival),
      () => handlers.unwrap({ kid: kids.aes, wrapped_base64 }, rival),
      () => handlers.rewrap({ kid: kids.aes, items: [{ wrapped_base64 }] }, rival),
      () => handlers.rotate({ kid: kids.hmac }, rival),
      () => handlers.retire({ kid: kids.hmac, even_active: true }, rival),
      () => handlers.destroy({ kid: kids.hmac, even_active: true }, rival),
    ];
    for (const task of tasks) expect(await refusalOf(task)).toBe('not_found');
    expect((await handlers.list({}, rival)).keys).toEqual([]);
    expect((await handlers.list({ tenant: 'acme' }, rival)).keys).toEqual([]);
    expect((await handlers.list({ tenant: 'acme' }, admin)).keys).toHaveLength(3);
    expect(keys.listKeys({ state: 'active' })).toHaveLength(3);
  });

  test('the uuid of a foreign key under one’s own name is no key either', async () => {
    const kid = await create('aes-256-gcm');
    const { wrapped_base64 } = await handlers.wrap({ kid, plaintext_base64: base64('x') }, acme);
    const { kid: next } = await handlers.rotate({ kid }, acme);
    const posing = [kid.replace('acme/', 'rival/'), next.replace('acme/', 'rival/')];
    for (const each of posing) {
      expect(await refusalOf(() => handlers.rewrap({ kid: each, items: [{ wrapped_base64 }] }, rival))).toBe(
        'not_found',
      );
      expect(await refusalOf(() => handlers.unwrap({ kid: each, wrapped_base64 }, rival))).toBe('not_found');
    }
    const otherPurpose = kid.replace('/orders/', '/invoices/');
    const items = [{ wrapped_base64 }];
    expect(await refusalOf(() => handlers.rewrap({ kid: otherPurpose, items }, acme))).toBe('not_found');
  });

  test('a bound caller makes keys for itself alone, an unbound one says for whom', async () => {
    const key = { purpose: 'orders', alg: 'hmac' } as const;
    expect(await detailOf(() => handlers.create({ ...key, tenant: 'acme' }, rival))).toBe('tenant');
    expect(await refusalOf(() => handlers.create(key, admin))).toBe('bad_request');
    expect(await handlers.create({ ...key, tenant: 'acme' }, admin)).toMatchObject({ tenant: 'acme' });
  });
});

describe('the node’s own keys', () => {
  const node = (purpose: string, alg: KeyRequest['alg']) => keys.createKey({ tenant: 'node', purpose, alg });

  test('do no work through the service', async () => {
    const [root, names, wrap] = [
      (await node('capability', 'hmac')).kid,
      (await node('names', 'ed25519')).kid,
      (await node('other', 'aes-256-gcm')).kid,
    ];
    const wrapped_base64 = Buffer.from(await keys.wrap(wrap, new Uint8Array(4), new Uint8Array(0))).toString('base64');
    const tag = Buffer.from(keys.mac(root, Buffer.from('message'))).toString('base64');
    const tasks = [
      () => handlers.mac({ kid: root, ...payload }, admin),
      () => handlers.verify({ kid: root, ...payload, signature_base64: tag }, admin),
      () => handlers.sign({ kid: names, ...payload }, admin),
      () => handlers.wrap({ kid: wrap, plaintext_base64: '' }, admin),
      () => handlers.unwrap({ kid: wrap, wrapped_base64 }, admin),
      () => handlers.rewrap({ kid: wrap, items: [{ wrapped_base64 }] }, admin),
      () => handlers.destroy({ kid: root, even_active: true }, admin),
      () => handlers.retire({ kid: root, even_active: true }, admin),
      () => handlers.create({ tenant: 'node', purpose: 'capability', alg: 'hmac' }, admin),
      () => handlers.create({ tenant: 'node', purpose: 'anything', alg: 'hmac' }, admin),
      () => handlers.create({ purpose: 'capability', alg: 'hmac' }, acme),
      () => handlers.create({ purpose: 'passport-refresh', alg: 'hmac' }, acme),
    ];
    for (const task of tasks) {
      expect([await refusalOf(task), await detailOf(task)]).toEqual(['forbidden', 'reserved']);
    }
    expect(await refusalOf(() => handlers.mac({ kid: root, ...payload }, acme))).toBe('not_found');
    expect(keys.listKeys({ state: 'active' })).toHaveLength(3);
  });

  test('are listed, rotated and retired, and their public half is read', async () => {
    const { kid } = await node('names', 'ed25519');
    expect((await handlers.list({}, admin)).keys).toMatchObject([{ kid, state: 'active' }]);
    expect(await handlers.public_key({ kid }, admin)).toMatchObject({ kid, alg: 'ed25519', state: 'active' });
    expect(await handlers.rotate({ kid }, admin)).toMatchObject({ version: 2, state: 'active' });
    const signature_base64 = Buffer.alloc(64).toString('base64');
    expect(await handlers.verify({ kid, ...payload, signature_base64 }, admin)).toEqual({ valid: false });
    expect(await handlers.retire({ kid }, admin)).toMatchObject({ version: 1, state: 'retired' });
  });
});

describe('a keystore that cannot be written', () => {
  test('refuses changes as unavailable, says so at its gate, and goes on signing', async () => {
    const disk = new MemoryDisk();
    const running = await start(await openFileKms(fileOptions(disk)));
    const kid = await create('ed25519');
    expect(running.gates?.()).toEqual([{ gate: 'kms-writable', ok: true }]);
    disk.failAt = disk.changes + 1;
    for (let attempt = 0; attempt < 2; attempt += 1) {
      expect(await refusalOf(() => handlers.rotate({ kid }, acme))).toBe('unavailable');
    }
    expect(running.gates?.()).toMatchObject([{ gate: 'kms-writable', ok: false }]);
    expect(await refusalOf(() => handlers.sign({ kid, ...payload }, acme))).toBe('accepted');
    await running[Symbol.asyncDispose]();
    expect(disk.locked.size, 'the kms is the profile’s').toBe(1);
  });
});

test('what the audit log keeps holds no payload, tag, plaintext or wrapped value', () => {
  const kept = Object.entries(kmsContract.operations).flatMap(([name, operation]) => {
    const audit = 'audit' in operation ? operation.audit : undefined;
    const fields =
      audit === undefined ? [] : [...('input' in audit ? audit.input : []), ...('output' in audit ? audit.output : [])];
    return fields.map((field: string) => `${name}.${field}`);
  });
  expect(kept.filter((field) => field.includes('base64') || field.includes('items'))).toEqual([]);
  for (const name of ['create', 'rotate', 'retire', 'destroy', 'rewrap'] as const) {
    expect(kmsContract.operations[name].audit.level).toBe('privileged');
  }
});

function pick({ signature_base64 }: { signature_base64: string }) {
  return { signature_base64 };
}
