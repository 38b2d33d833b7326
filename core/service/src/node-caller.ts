import type { CallContext, Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';

/** Another node, which its channel has proved to be itself: it may ask what nodes ask one another (`net/…`) and nothing else. */
export function nodePrincipal(node: string): Principal {
  return {
    subject: `node/${node}`,
    capabilityId: `node/${node}`,
    tenant: '',
    limits: {},
    node,
    allows: (_method, resource) => resource.startsWith('net/'),
  };
}

/** The id of the node that asks. Throws `forbidden` for everybody else, whatever their capability allows. */
export function nodeOf({ principal: { node } }: CallContext): string {
  if (node === undefined) throw new RonError('forbidden', 'only another node may ask this');
  return node;
}
