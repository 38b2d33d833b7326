import { readFile } from 'node:fs/promises';
import type { TlsIdentity } from '@ron/kernel';
import type { CertificateFiles } from './certificate.ts';

/** Rejects with the system's error when one of the files cannot be read. */
export async function readIdentity({ chain, key }: CertificateFiles): Promise<TlsIdentity> {
  const [certificateChainPem, keyPem] = await Promise.all([readFile(chain, 'utf8'), readFile(key, 'utf8')]);
  return { certificateChainPem, keyPem };
}
