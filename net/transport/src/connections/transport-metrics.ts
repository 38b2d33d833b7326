import type { Metrics, TlsFailure } from '@ron/kernel';
import type { CertificateRefusal } from '../identity/peer-certificate.ts';
import type { AdmissionRefusal } from './admission.ts';
import type { CutReason } from './watched-duplex.ts';

/** Why an accepted connection was not handed on. The words are all there are, so the label is bounded. */
export type AcceptRefusal = AdmissionRefusal | TlsFailure | CertificateRefusal | 'proof';

/** Why a node was not reached. `policy`: its address may not be dialled; `self`: it is this node. */
export type DialRefusal = CertificateRefusal | 'unreachable' | 'timeout' | 'policy' | 'handshake' | 'proof' | 'self';

export interface TransportMetrics {
  refused(reason: AcceptRefusal): void;
  undialled(reason: DialRefusal): void;
  cut(reason: CutReason): void;
  opened(side: 'accepted' | 'dialled'): void;
  closed(side: 'accepted' | 'dialled'): void;
}

export function createTransportMetrics(metrics: Metrics): TransportMetrics {
  const refused = metrics.counter('transport_refused_total', 'Connections of nodes not accepted', ['reason']);
  const undialled = metrics.counter('transport_dial_failed_total', 'Nodes not reached', ['reason']);
  const cut = metrics.counter('transport_cut_total', 'Connections of nodes cut', ['reason']);
  const open = metrics.gauge('transport_connections', 'Open connections of nodes', ['side']);
  return {
    refused: (reason) => refused.labels({ reason }).inc(),
    undialled: (reason) => undialled.labels({ reason }).inc(),
    cut: (reason) => cut.labels({ reason }).inc(),
    opened: (side) => open.labels({ side }).inc(),
    closed: (side) => open.labels({ side }).dec(),
  };
}
