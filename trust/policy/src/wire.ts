import { encodeSigned, type SignerSignature } from '@ron/signed';
import type { Activation } from './active-policy.ts';
import type { ProposalState } from './proposals.ts';
import type { SignedPolicy } from './signing.ts';

/** The text of a signed document that came as a JSON body; what it says is for the engine to check. */
export function signedText(input: {
  readonly document: Readonly<Record<string, unknown>>;
  readonly signatures: readonly SignerSignature[];
}): string {
  return encodeSigned({
    document: { ...input.document, type: String(input.document['type']) },
    signatures: input.signatures,
  });
}

export function wireSigned({ document, signatures }: SignedPolicy) {
  return { document: { ...document } as Record<string, unknown>, signatures: [...signatures] };
}

export function wireActivation({ signers, ...activation }: Activation) {
  return { ...activation, signers: [...signers] };
}

export function wireState({ signers, activated, ...state }: ProposalState) {
  return {
    ...state,
    signers: [...signers],
    ...(activated === undefined ? {} : { activated: wireActivation(activated) }),
  };
}
