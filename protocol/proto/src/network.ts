import { type Static, Type } from 'typebox';
import { strict } from './fields.ts';

/** BLAKE3-256 of the node's Ed25519 public key (32 bytes), 64 lower-case hex digits. */
export const NodeId = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'BLAKE3 of the node’s public key' });
export type NodeId = Static<typeof NodeId>;

/** Region of a node as its operator names it; nodes of one region are near each other. */
export const Region = Type.String({ pattern: '^[a-z0-9-]{1,32}$' });

/** Where a node says that it is reached. Whoever dials it checks the id by the channel, so a wrong contact costs a dial and no more. */
export const Contact = Type.Object(
  {
    id: NodeId,
    address: Type.String({ minLength: 3, maxLength: 261, description: 'host:port, IPv6 in brackets' }),
    region: Type.Optional(Region),
  },
  strict,
);
export type Contact = Static<typeof Contact>;
