import type { Snapshot } from '@ron/proto/registry';
import type { SignerSignature } from '@ron/signed';
import type { Meters } from '../meters.ts';
import type { NodeSigner } from '../node-signer.ts';
import type { Proposals } from '../proposals.ts';
import { refusal } from '../refusal.ts';
import type { Registry } from '../registry.ts';
import type { RegistryHandler } from './handler.ts';

export interface Approving {
  readonly registry: Registry;
  readonly proposals: Proposals;
  readonly nodeSigner: NodeSigner | undefined;
  readonly meters: Meters;
}

export function createApprove({ registry, proposals, nodeSigner, meters }: Approving): RegistryHandler<'approve'> {
  const ofNode = async (proposal: string): Promise<readonly SignerSignature[]> => {
    const document = JSON.parse(proposals.documentText(proposal).text) as Snapshot;
    const names = [...registry.held().snapshot.signers, ...document.signers].map(({ name }) => name);
    const signatures = (await nodeSigner?.sign(document, new Set(names))) ?? [];
    if (signatures.length === 0) throw refusal('forbidden', 'unknown_signer', 'this node is not one of the signers');
    return signatures;
  };
  return async ({ proposal, signatures = [], as_node }) => {
    try {
      if (signatures.length === 0 && !as_node) {
        throw refusal('bad_request', 'unsigned', 'send signatures, or as_node for those of the node');
      }
      const own = as_node ? await ofNode(proposal) : [];
      return await proposals.approve(proposal, [...signatures, ...own]);
    } catch (error) {
      return meters.refused(error);
    }
  };
}
