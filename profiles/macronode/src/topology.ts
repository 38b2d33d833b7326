import type { Right } from '@ron/proto/capability';
import type { Contract } from '@ron/proto/contract';
import { edgeContract } from '@ron/proto/edge';
import { mailboxContract } from '@ron/proto/mailbox';
import { indexContract } from '@ron/proto/names';
import { storageContract } from '@ron/proto/storage';
import { rightsFor } from '@ron/service';

/** What a process is there for; `trust` holds the keys, and with them passports, policy, audit log and registry. */
export const roles = ['trust', 'index', 'mailbox', 'storage', 'edge', 'gateway', 'omnigate'] as const;
export type Role = (typeof roles)[number];

/** One process: its role, and a number where there are several. */
export interface ProcessPlan {
  /** `storage`, `gateway-1` … */
  readonly name: string;
  readonly role: Role;
  /** Whom it asks on the Private Plane, and the least that it needs for that. By role: those have one process each. */
  readonly asks: Readonly<Partial<Record<Role, readonly Right[]>>>;
  /** The contracts that it serves. */
  readonly services: readonly string[];
}

const revocations: Right = { methods: ['read'], prefix: 'admin/passport' };
const state: Right = { methods: ['read'], prefix: 'admin/trust/state' };
const log: Right = { methods: ['write'], prefix: 'admin/trust/log' };
const names: Right = { methods: ['write'], prefix: 'admin/trust/names' };
/** Of a process that decides about calls of clients. */
const decides: readonly Right[] = [state, log, revocations];

/** By service, the contracts that it calls; as the services declare them. */
export const uses: Readonly<Record<string, readonly Contract[]>> = {
  edge: [storageContract],
  storage: [indexContract, mailboxContract],
  gateway: [edgeContract, storageContract, indexContract, mailboxContract],
};

const asks: Readonly<Record<Role, ProcessPlan['asks']>> = {
  trust: {},
  index: { trust: [state, names] },
  mailbox: { trust: [state] },
  storage: rightsOf('storage'),
  edge: { ...rightsOf('edge'), trust: decides },
  gateway: { ...rightsOf('gateway'), trust: decides },
  // It passes on what clients send, with their own capabilities.
  omnigate: {},
};

const services: Readonly<Record<Role, readonly string[]>> = {
  trust: ['kms', 'passport', 'policy', 'audit', 'registry', 'trust'],
  index: ['index'],
  mailbox: ['mailbox'],
  storage: ['storage'],
  edge: ['edge'],
  gateway: ['gateway'],
  omnigate: ['omnigate'],
};

/** In the order in which they start: whoever is asked comes first. */
export function planOf(gateways: number): readonly ProcessPlan[] {
  return roles.flatMap((role) => {
    const several = role === 'gateway';
    const names = several ? Array.from({ length: gateways }, (_, index) => `${role}-${index + 1}`) : [role];
    return names.map((name) => ({ name, role, asks: asks[role], services: services[role] }));
  });
}

/** Sockets below the run folder. The public one takes capabilities of clients, the private one those of processes. */
export function privateSocket(runFolder: string, name: string): string {
  return `${runFolder}/${name}.sock`;
}

export function publicSocket(runFolder: string, name: string): string {
  return `${runFolder}/${name}.pub`;
}

/** HTTP of a process for its operator: `/metrics`, `/readyz`. omnigate answers them on its own port. */
export function operatorSocket(runFolder: string, name: string): string {
  return `${runFolder}/${name}.http`;
}

function rightsOf(service: string): ProcessPlan['asks'] {
  return Object.fromEntries((uses[service] ?? []).map((contract) => [contract.name, rightsFor(contract)]));
}
