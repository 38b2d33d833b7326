import type { Clock, Log, Metrics, Random } from '@ron/kernel';
import type { Peer } from '@ron/proto/contract';
import type { NodeId } from '@ron/proto/network';
import { contactOf } from '@ron/proto/overlay';
import type { storageContract } from '@ron/proto/storage';
import type { OverlayConfig } from '../../config.ts';
import type { Member } from '../../membership/member.ts';
import type { Overlay } from '../../overlay.ts';
import type { OverlayPorts } from '../../ports.ts';
import type { SelfDescription } from '../../records.ts';
import type { PeerState } from '../placement/choose.ts';
import { createCopyMeters, measureCopies } from './copy-meters.ts';
import type { CopyEngines } from './copy-ports.ts';
import { copySettings, placingLimits } from './copy-settings.ts';
import { type Copies, openCopies } from './open-copies.ts';

export interface CopiesParts {
  readonly about: SelfDescription;
  readonly ask: OverlayPorts['ask'];
  readonly storage: Pick<Peer<typeof storageContract>, 'pin' | 'unpin'>;
  readonly config: () => Readonly<OverlayConfig>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Copies among the nodes that an overlay knows: who is gone is known from it. */
export function copiesOf(overlay: Overlay, engines: CopyEngines, parts: CopiesParts): Copies {
  const { about, config, metrics, ...rest } = parts;
  const member = (id: NodeId) => overlay.membership.table.get(id);
  const [address = ''] = about.addresses;
  const copies = openCopies({
    ...engines,
    ...rest,
    self: { id: overlay.id, address, ...(about.region === undefined ? {} : { region: about.region }) },
    meters: createCopyMeters(metrics),
    contactOf: (id) => {
      const found = member(id);
      return found && contactOf(found.record);
    },
    // Who is banned is not asked and does not answer.
    stateOf: (id) => (id === overlay.id ? 'alive' : overlay.isBanned(id) ? 'dead' : stateOf(member(id))),
    failuresOf: (id) => overlay.quality.get(id)?.failures ?? 0,
    settings: copySettings(config),
    placing: () => placingLimits(config()),
  });
  const measuring = measureCopies(metrics, () => copies.pins.status);
  const listening = overlay.onMember((changed) => copies.pins.repair.onPeer(changed.record.id, stateOf(changed)));
  return {
    ...copies,
    [Symbol.dispose]: () => {
      listening[Symbol.dispose]();
      measuring[Symbol.dispose]();
      copies[Symbol.dispose]();
    },
  };
}

function stateOf(member: Member | undefined): PeerState {
  return member?.state === 'alive' || member?.state === 'suspect' ? member.state : 'dead';
}
