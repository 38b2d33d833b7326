import { type NetAddress, sleep } from '@ron/kernel';
import type { Gate } from '@ron/service';
import { certificateFiles, watchCertificate } from '../certificate.ts';
import { startFrontNode } from '../front-node.ts';
import type { RoleParts, RunningRole } from '../process/parts.ts';
import { readIdentity } from '../read-identity.ts';
import { publicSocket } from '../topology.ts';

/** For the first gateway to be found, the calls of one to end before it is replaced, and its successor to be found. */
const settleMsMax = 10_000;
const settleEveryMs = 20;

export async function startOmnigateRole(parts: RoleParts): Promise<RunningRole> {
  const { env, config, log, accessLog, metrics, order, stack } = parts;
  const settings = config.table('front').current();
  const files = certificateFiles(settings.tls_cert, settings.tls_key);
  const backends = order.gateways.map((name) => `${name}=unix:${publicSocket(order.runFolder, name)}`);
  const tls = files && (await readIdentity(files));
  let cluster: readonly Gate[] = [];
  const node = stack.use(
    await startFrontNode({
      ...{ env, log, accessLog, metrics, backends },
      config,
      moreGates: () => cluster,
      ...(tls === undefined ? {} : { tls }),
    }),
  );
  const settled = async (isDone: () => boolean): Promise<void> => {
    const untilMs = env.clock.monotonicMs() + settleMsMax;
    while (!isDone() && env.clock.monotonicMs() < untilMs) await sleep(env.clock, settleEveryMs);
  };
  await settled(() => node.front.backends.all.some(({ takesCalls }) => takesCalls));
  if (files !== undefined)
    stack.use(watchCertificate({ files, log, read: readIdentity, renew: node.renewIdentity }, env.clock));
  return {
    hosted: [],
    facts: {
      http: textOf(node.http),
      url: `${tls === undefined ? 'http' : 'https'}://${textOf(node.http)}`,
      ...(node.oap === undefined ? {} : { oap: textOf(node.oap) }),
    },
    gates: () => node.gates().filter(({ gate }) => cluster.every((other) => other.gate !== gate)),
    cluster(gates) {
      cluster = gates;
    },
    async pause(target, paused) {
      const backend = node.front.backends.all.find(({ name }) => name === target);
      if (backend === undefined) return;
      backend.note({ kind: 'operator', drain: paused });
      await settled(() => (paused ? backend.inflight === 0 : backend.takesCalls));
    },
  };
}

function textOf(address: NetAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}
