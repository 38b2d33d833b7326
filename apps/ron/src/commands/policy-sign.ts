import { writeFile } from 'node:fs/promises';
import { addSignature, verifyWithNode } from '@ron/policy';
import { checkThreshold, encodeSigned } from '@ron/signed';
import { usageError } from '../cli-error.ts';
import { idOfPolicy, readPolicyFile } from '../policy/policy-file.ts';
import { writeSecretFile } from '../secrets/secret-file.ts';
import {
  createSigningKey,
  encodeSigningKey,
  readSigningKey,
  signerNamePattern,
  signWith,
} from '../secrets/signing-key.ts';
import type { Session } from '../session.ts';

interface KeygenFlags {
  readonly out: string;
  readonly name: string;
  readonly hybrid?: boolean;
}

/** The private halves go into the file only; stdout gets what belongs into a policy and into a node's configuration. */
export async function runKeygen({ output }: Session, _args: string[], { out, name, hybrid }: KeygenFlags) {
  if (!signerNamePattern.test(name))
    throw usageError('--name is 1–128 of [A-Za-z0-9._:@/#-]', 'ron policy keygen --help');
  const key = createSigningKey(name, hybrid === true);
  await writeSecretFile(out, encodeSigningKey(key), { replace: false });
  const { ed25519, 'ml-dsa-65': second } = key.public;
  const signer = { name, ed25519, ...(second === undefined ? {} : { ml_dsa_65: second }) };
  const lines = Object.entries(signer).map(([field, value]) => `${field} = "${value}"`);
  output.note(
    `${out}: keep it, and keep it to yourself (mode 0600); what follows is public and belongs into the policy`,
  );
  const root = Object.values(signer).join(':');
  const comment = `# of a node's configuration, [policy]: root_signers = ["${root}"]`;
  output.result({ file: out, signer, root_signer: root }, () => [comment, '[[signers]]', ...lines].join('\n'));
  return undefined;
}

interface SignFlags {
  readonly key: string;
  readonly out?: string;
  readonly name?: string;
}

/** Offline. Adds a signature to those that the file has; TOML becomes the JSON that `activate` takes. */
export async function runSign(session: Session, [file = '']: string[], flags: SignFlags) {
  const { output } = session;
  const unsigned = await readPolicyFile(file);
  const key = readSigningKey(flags.key);
  const second = key.private['ml-dsa-65'];
  const signed = await addSignature(unsigned, flags.name ?? key.name, {
    ed25519: (bytes) => signWith(key.private.ed25519, bytes),
    ...(second === undefined ? {} : { 'ml-dsa-65': (bytes: Uint8Array) => signWith(second, bytes) }),
  });
  const { signers, threshold } = signed.document;
  const own = signers.map(({ name, ed25519, ml_dsa_65 }) => ({
    name,
    keys: { ed25519, ...(ml_dsa_65 === undefined ? {} : { 'ml-dsa-65': ml_dsa_65 }) },
  }));
  const { valid } = checkThreshold(signed, { signers: own, threshold }, verifyWithNode);
  const text = encodeSigned(signed);
  const names = [...new Set(signed.signatures.map(({ signer }) => signer))];
  output.note(
    `${idOfPolicy(signed.document)} is signed by ${names.join(', ')}; of its own signers: ${valid.join(', ') || 'nobody'}`,
  );
  if (flags.out === undefined) output.stdout.write(text);
  else {
    await writeFile(flags.out, text);
    output.result({ file: flags.out, policy: idOfPolicy(signed.document), signed_by: names }, () => flags.out!);
  }
  return undefined;
}
