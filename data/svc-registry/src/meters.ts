import type { Clock, Metrics } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Divergence } from './divergence.ts';
import type { Registry } from './registry.ts';

export interface Meters {
  readonly diverged: () => void;
  /** Counts a refusal by its reason and passes it on. */
  refused(error: unknown): never;
}

/** What an operator sees of the registry; no signer, node or descriptor is a label. */
export function createMeters(metrics: Metrics): Meters {
  const divergence = metrics.counter('registry_divergence_total', 'Alarms: a node contradicted our chain').labels();
  const refused = metrics.counter('registry_refused_total', 'Changes and claims refused, by reason', ['reason']);
  return {
    diverged: () => divergence.inc(),
    refused(error) {
      if (error instanceof RonError) {
        const reason = error.details?.['reason'];
        refused.labels({ reason: typeof reason === 'string' ? reason : error.code }).inc();
      }
      throw error;
    },
  };
}

export function measure(metrics: Metrics, registry: Registry, divergence: Divergence): Disposable {
  const version = metrics.gauge('registry_version', 'Version of the newest snapshot; 0 without one').labels();
  const expires = metrics.gauge('registry_expires_at_seconds', 'When the newest snapshot expires, Unix time').labels();
  const nodes = metrics.gauge('registry_diverged_nodes', 'Nodes that contradict our chain now').labels();
  return metrics.onCollect(() => {
    version.set(registry.head?.version ?? 0);
    expires.set((registry.head?.expires_at ?? 0) / 1_000);
    nodes.set(divergence.nodes.length);
  });
}

export interface GateOptions {
  readonly registry: Registry;
  readonly divergence: Divergence;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly warningMs: () => number;
}

/** Ready: there is a head that has not expired, it can be written, and nobody contradicts it. */
export function gatesOf({ registry, divergence, clock, warningMs }: GateOptions) {
  const { failed } = registry.parts.table;
  const count = divergence.nodes.length;
  return [
    { gate: 'head', ...freshness(registry.head?.expires_at, clock.wallMs(), warningMs()) },
    failed === undefined ? { gate: 'writable', ok: true } : { gate: 'writable', ok: false, reason: failed },
    count === 0
      ? { gate: 'agreement', ok: true }
      : { gate: 'agreement', ok: false, reason: `${count} nodes have another registry than this one` },
  ];
}

function freshness(expiresAt: number | undefined, nowMs: number, warningMs: number) {
  if (expiresAt === undefined) return { ok: false, reason: 'the registry has no snapshot yet' };
  const when = `the newest snapshot expires at ${new Date(expiresAt).toISOString()}`;
  if (expiresAt <= nowMs) return { ok: false, reason: when.replace('expires', 'expired') };
  return expiresAt - nowMs <= warningMs ? { ok: true, reason: when } : { ok: true };
}
