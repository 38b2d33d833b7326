import { hash } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { documentBytes, documentId, parseSnapshot, type SignerSignature } from '@ron/signed';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { readSigningKey, signWith } from '../secrets/signing-key.ts';

/** The signatures of a key file over a proposal. Refuses another document than the one that was named. */
export function signProposal(
  text: string,
  proposal: string,
  keyFile: string,
  name: string | undefined,
): readonly SignerSignature[] {
  const document = parseSnapshot(JSON.parse(text));
  const id = documentId(document, (bytes) => addressFromHash(hash(bytes)));
  if (id !== proposal) {
    throw new CliError(exitCodes.integrity, `the node showed another document than ${proposal}`, {
      why: `integrity: it is ${id}`,
      next: `ron registry show ${proposal}`,
    });
  }
  const key = readSigningKey(keyFile);
  const message = documentBytes(document);
  return (['ed25519', 'ml-dsa-65'] as const).flatMap((alg) => {
    const own = key.private[alg];
    if (own === undefined) return [];
    const signature = Buffer.from(signWith(own, message)).toString('base64url');
    return [{ signer: name ?? key.name, alg, signature }];
  });
}
