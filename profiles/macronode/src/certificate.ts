import type { Clock, Log, TlsIdentity } from '@ron/kernel';
import { watchConfigFile } from '@ron/kernel/real';

export interface CertificateFiles {
  readonly chain: string;
  readonly key: string;
}

/** Undefined without TLS. Throws `RangeError` for one without the other. */
export function certificateFiles(chain: string, key: string): CertificateFiles | undefined {
  if ((chain === '') !== (key === ''))
    throw new RangeError('a certificate needs its key: front.tls_cert and front.tls_key');
  return chain === '' ? undefined : { chain, key };
}

export interface Renewal {
  readonly files: CertificateFiles;
  readonly log: Log;
  /** Rejects with the system's error. */
  read(files: CertificateFiles): Promise<TlsIdentity>;
  renew(identity: TlsIdentity): void;
}

/** The old identity stays when the files cannot be read or are no pair, which the log says. Never rejects. */
export async function renewFrom({ files, log, read, renew }: Renewal): Promise<void> {
  try {
    renew(await read(files));
    log.warn({ certificate: files.chain }, 'new connections get the certificate as it is on disk now');
  } catch (err) {
    log.error({ err, certificate: files.chain }, 'the certificate cannot be renewed: the old one stays');
  }
}

/** Both are written one after the other: the second change makes the pair, and the first is refused. */
export function watchCertificate(renewal: Renewal, clock: Clock): Disposable {
  const { files, log } = renewal;
  const onChange = (): void => void renewFrom(renewal);
  const onFault = (err: unknown): void => log.error({ err }, 'the certificate cannot be watched');
  const stack = new DisposableStack();
  for (const file of [files.chain, files.key]) stack.use(watchConfigFile(file, clock, onChange, onFault));
  return stack;
}
