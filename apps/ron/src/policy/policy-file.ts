import { readFile } from 'node:fs/promises';
import { hash } from '@ron/b3';
import { type PolicyDocument, parsePolicy, parsePolicyToml, policyId, type SignedPolicy } from '@ron/policy';
import { RonError } from '@ron/proto/errors';
import { parseSigned } from '@ron/signed';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';

/** A policy of a file: TOML as it is written, or the JSON that `ron policy sign` and the node give. */
export async function readPolicyFile(path: string): Promise<SignedPolicy> {
  const text = await readFile(path, 'utf8');
  try {
    if (!text.trimStart().startsWith('{')) return { document: parsePolicyToml(text), signatures: [] };
    const { document, signatures } = parseSigned(text);
    return { document: parsePolicy(document), signatures };
  } catch (thrown) {
    throw policyRefusal(path, thrown);
  }
}

/** The document in force at a node, unchecked. */
export function policyOfAnswer(answer: Readonly<Record<string, unknown>>): SignedPolicy {
  const { document, signatures } = parseSigned(JSON.stringify(answer['signed']));
  return { document: parsePolicy(document), signatures };
}

export function idOfPolicy(document: PolicyDocument): string {
  return policyId(document, hash);
}

/** Every problem of a document, in one line. */
function policyRefusal(path: string, thrown: unknown): unknown {
  if (!(thrown instanceof RonError)) return thrown;
  const problems = thrown.details?.['problems'];
  const text = Array.isArray(problems) && problems.length > 0 ? problems.join('; ') : thrown.message;
  return new CliError(exitCodes.configuration, `${path}: ${text}`, {
    why: 'the policy is malformed',
    next: `\${EDITOR:-vi} ${path}`,
    cause: thrown,
  });
}
