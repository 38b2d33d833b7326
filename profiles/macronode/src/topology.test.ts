import { audit } from '@ron/audit/service';
import { createVerifier, processKeyExaminer } from '@ron/auth';
import { createSimEnv } from '@ron/kernel/sim';
import { kms } from '@ron/kms/service';
import { policy } from '@ron/policy/service';
import { edge } from '@ron/svc-edge/service';
import { gateway } from '@ron/svc-gateway/service';
import { index } from '@ron/svc-index/service';
import { mailbox } from '@ron/svc-mailbox/service';
import { passport } from '@ron/svc-passport/service';
import { registry } from '@ron/svc-registry/service';
import { storage } from '@ron/svc-storage/service';
import { trust } from '@ron/svc-trust/service';
import { describe, expect, test } from 'vitest';
import { mintProcessCapabilities } from './supervisor/capabilities.ts';
import { planOf, type Role, uses } from './topology.ts';

const services = [kms, policy, audit, passport, registry, trust, index, mailbox, storage, edge, gateway];

describe('the topology', () => {
  test('knows what the services use: the launcher grants it without loading their code', () => {
    const declared = services.map(({ contract, uses: used }) => [
      contract.name,
      Object.values(used).map(({ name }) => name),
    ]);
    const known = Object.entries(uses).map(([name, contracts]) => [name, contracts.map((contract) => contract.name)]);
    expect(Object.fromEntries(known)).toEqual(Object.fromEntries(declared.filter(([, used]) => used!.length > 0)));
  });

  test('has every service once, and starts who is asked before who asks', () => {
    const plans = planOf(3);
    expect(plans.map(({ name }) => name).filter((name) => name.startsWith('gateway'))).toEqual([
      'gateway-1',
      'gateway-2',
      'gateway-3',
    ]);
    const served = planOf(1).flatMap((plan) => plan.services);
    expect(served.toSorted()).toEqual([...services.map(({ contract }) => contract.name), 'omnigate'].toSorted());
    for (const [at, { asks }] of plans.entries()) {
      const before = plans.slice(0, at).map(({ name }) => name);
      for (const role of Object.keys(asks)) expect(before).toContain(role);
    }
  });

  test('a process gets capabilities for whom it asks, each for that process alone', async () => {
    const env = createSimEnv({ seed: 1 });
    const plans = planOf(2);
    const capabilities = mintProcessCapabilities(plans, env);
    const find = (name: string) => plans.find((plan) => plan.name === name)!;
    const at = (role: Role) => {
      const key = Buffer.from(capabilities.keyOf(role), 'base64');
      return createVerifier(processKeyExaminer({ key }), { env, audience: role });
    };
    expect(capabilities.of(find('omnigate'))).toEqual({});
    const { trust: ofIndex } = capabilities.of(find('index'));
    const principal = await at('trust').verify(ofIndex!, { remote: 'unix' });
    expect(principal.subject).toBe('service:index');
    expect(principal.allows('write', 'admin/trust/names')).toBe(true);
    expect(principal.allows('write', 'admin/trust/log')).toBe(false);
    expect(principal.allows('read', 'admin/passport')).toBe(false);
    expect(principal.allows('admin', 'admin/passport')).toBe(false);
    expect(() => at('storage').verify(ofIndex!, { remote: 'unix' })).toThrow(
      expect.objectContaining({ code: 'unauthenticated' }),
    );
    // Another launch has other keys.
    const next = mintProcessCapabilities(plans, env);
    expect(next.keyOf('trust')).not.toBe(capabilities.keyOf('trust'));
  });
});
