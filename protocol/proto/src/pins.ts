import { type Static, Type } from 'typebox';
import type { Operation } from './contract.ts';
import { Address, Bytes, Count, Cursor, Durability, strict } from './fields.ts';
import { NodeId, Region } from './network.ts';

/**
 * Copies of objects on several nodes, as the node that wants them keeps them (docs/specs/exchange.md, section 6). That node
 * always has one of them itself.
 */

/** Copies of one object: more cost space and time on every node, and survive no more than this many losses at once need. */
export const copiesMax = 16;

export const pinsPageMax = 500;

export const Copies = Type.Integer({ minimum: 1, maximum: copiesMax, description: 'on this node and on others' });

/** Of `Ron-Durability`: what a write must come to before its answer. */
export const DurabilityWish = Type.Union(
  [
    ...Durability.anyOf,
    Type.String({ pattern: '^copies:([1-9]|1[0-6])$', description: 'on so many nodes, this one included' }),
  ],
  { description: 'memory, fsync, or copies:<1 to 16>' },
);
export type DurabilityWish = Static<typeof DurabilityWish>;

/** The copies that a wish asks for; undefined when it asks for none. */
export function copiesOf(wish: DurabilityWish | undefined): number | undefined {
  return wish?.startsWith('copies:') === true ? Number(wish.slice('copies:'.length)) : undefined;
}

/** A node that has a copy, as far as the asked one knows. */
export const CopyHolder = Type.Object(
  {
    node: NodeId,
    region: Type.Optional(Region),
    state: Type.Union([Type.Literal('alive'), Type.Literal('suspect'), Type.Literal('dead')]),
  },
  strict,
);
export type CopyHolder = Static<typeof CopyHolder>;

/** `copies`: wanted; there are as many as `holders` that are not dead. */
export const PinnedObject = Type.Object(
  { address: Address, size: Bytes, copies: Copies, holders: Type.Array(CopyHolder, { maxItems: 64 }) },
  strict,
);
export type PinnedObject = Static<typeof PinnedObject>;

export const RepairOutput = Type.Object(
  {
    dry_run: Type.Boolean(),
    objects: Count,
    lacking: Count,
    restored: Count,
    copied_bytes: Bytes,
    sample: Type.Array(PinnedObject, { maxItems: 100, description: 'up to 100 of those that still lack copies' }),
  },
  strict,
);
export type RepairOutput = Static<typeof RepairOutput>;

/** Operations for clients, in the contract of the overlay. */
export const pinOperations = {
  pin: {
    summary:
      'Keep an object here and on other nodes until it is unpinned; answers when the copies are there. With fewer than asked: `unavailable`, with `details.copies`; the wish stays, and the node goes on by itself',
    input: Type.Object({ address: Address, copies: Copies }, strict),
    output: PinnedObject,
    errors: ['not_found', 'integrity', 'insufficient_storage', 'payload_too_large'],
    scopes: [{ method: 'write', resource: 'o/{address}' }],
    mutation: true,
    audit: { level: 'event', input: ['address', 'copies'] },
    limits: { timeoutMs: 3_600_000 },
    http: [{ method: 'POST', path: '/pins', json: true, reply: 'json' }],
  },
  unpin: {
    summary: 'The copies are not wanted any more: other nodes are told, and nothing here keeps the object for it',
    input: Type.Object({ address: Address }, strict),
    output: Type.Object({ address: Address, unpinned: Type.Boolean() }, strict),
    errors: ['insufficient_storage'],
    scopes: [{ method: 'delete', resource: 'o/{address}' }],
    mutation: true,
    frees: true,
    audit: { level: 'event', input: ['address'] },
    http: [{ method: 'DELETE', path: '/pins/:address', reply: 'json' }],
  },
  pins: {
    summary: 'The objects that are kept in copies, by address, and where they are',
    input: Type.Object(
      { cursor: Type.Optional(Cursor), limit: Type.Optional(Type.Integer({ minimum: 1, maximum: pinsPageMax })) },
      strict,
    ),
    output: Type.Object(
      { pins: Type.Array(PinnedObject, { maxItems: pinsPageMax }), next: Type.Optional(Cursor) },
      strict,
    ),
    errors: [],
    scopes: [{ method: 'read', resource: 'admin/overlay' }],
    costly: true,
    http: [{ method: 'GET', path: '/pins', query: ['cursor', 'limit'], reply: 'json' }],
  },
  repair: {
    summary: 'Make the copies that are missing now, without waiting for nodes that are gone to come back',
    input: Type.Object({ dry_run: Type.Optional(Type.Boolean()) }, strict),
    output: RepairOutput,
    errors: [],
    scopes: [{ method: 'admin', resource: 'admin/overlay' }],
    mutation: true,
    audit: { level: 'event', input: ['dry_run'], output: ['lacking', 'restored'] },
    limits: { timeoutMs: 3_600_000 },
    http: [{ method: 'POST', path: '/pins/repair', json: true, reply: 'json' }],
  },
} as const satisfies Readonly<Record<string, Operation>>;
