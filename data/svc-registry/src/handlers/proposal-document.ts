import { ResidentBody } from '@ron/proto/stream';
import type { Proposals } from '../proposals.ts';
import type { RegistryHandler } from './handler.ts';

const encoder = new TextEncoder();

export function createProposalDocument(proposals: Proposals): RegistryHandler<'proposal_document'> {
  return async ({ proposal }) => {
    const { text, version } = proposals.documentText(proposal);
    const output = { content_type: 'application/json', id: proposal, version } as const;
    return { output, body: new ResidentBody(encoder.encode(text)) };
  };
}
