import type { CallContext, Principal, ScopeMethod } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';

/**
 * Another node, which its channel has proved to be itself. It may ask what all nodes ask one another (`net/…`), and beyond
 * that what `mayAlso` says of this one: nothing, unless told. `binding`: of the connection that proved it.
 */
export function nodePrincipal(
  node: string,
  mayAlso: (method: ScopeMethod, resource: string) => boolean = () => false,
  binding?: Uint8Array,
): Principal {
  return {
    subject: `node/${node}`,
    capabilityId: `node/${node}`,
    tenant: '',
    limits: {},
    node,
    ...(binding === undefined ? {} : { binding }),
    allows: (method, resource) => resource.startsWith('net/') || mayAlso(method, resource),
  };
}

/** The id of the node that asks. Throws `forbidden` for everybody else, whatever their capability allows. */
export function nodeOf({ principal: { node } }: CallContext): string {
  if (node === undefined) throw new RonError('forbidden', 'only another node may ask this');
  return node;
}
