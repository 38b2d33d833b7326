import { constants } from 'node:crypto';
import tls from 'node:tls';
import type { TlsIdentity } from '../env/http.ts';
import { SystemError } from '../env/system-error.ts';

/** RFC 8446; hybrid key exchange first (ML-KEM-768 of FIPS 203 with X25519), and the two that every TLS 1.3 has. */
const groups = 'X25519MLKEM768:X25519:P-256';

export function nodeTlsOptions({ certificateChainPem, keyPem }: TlsIdentity) {
  return {
    cert: certificateChainPem,
    key: keyPem,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ecdhCurve: groups,
    // Without tickets that hold their own state, and without a store for the others, nothing can be resumed.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  } as const;
}

const contexts = new WeakMap<TlsIdentity, tls.SecureContext>();

/** Made once for an identity. Throws `EINVAL` when certificate and key are no pair. */
export function nodeTlsContext(identity: TlsIdentity): tls.SecureContext {
  let context = contexts.get(identity);
  if (context === undefined) {
    try {
      context = tls.createSecureContext(nodeTlsOptions(identity));
    } catch (cause) {
      throw new SystemError('EINVAL', 'certificate and key are no pair in PEM', { cause });
    }
    contexts.set(identity, context);
  }
  return context;
}
