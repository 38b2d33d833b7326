import { mintWithProcessKey } from '@ron/auth';
import type { Env } from '@ron/kernel';
import { type ProcessPlan, type Role, roles } from '../topology.ts';

const keyBytes = 32;

/** Keys and capabilities of the processes, made anew with each launch: what one process can ask of another, and no more. */
export interface ProcessCapabilities {
  /** Base64. */
  keyOf(process: string): string;
  of(plan: ProcessPlan): Readonly<Partial<Record<Role, string>>>;
}

export function mintProcessCapabilities(
  plans: readonly ProcessPlan[],
  env: Pick<Env, 'clock' | 'random'>,
): ProcessCapabilities {
  const keys = new Map(plans.map(({ name }) => [name, env.random.bytes(keyBytes)] as const));
  return {
    keyOf: (process) => Buffer.from(keys.get(process)!).toString('base64'),
    of({ name, asks }) {
      const minted: Partial<Record<Role, string>> = {};
      for (const role of roles) {
        const rights = asks[role];
        const key = keys.get(role);
        if (rights === undefined || key === undefined) continue;
        minted[role] = mintWithProcessKey({ key, audience: role }, { subject: `service:${name}`, rights }, env);
      }
      return minted;
    },
  };
}
