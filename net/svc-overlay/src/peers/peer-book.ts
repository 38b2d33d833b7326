import type { Timer } from '@ron/kernel';
import type { Contact, NodeId } from '@ron/proto/network';
import { contactOf, type NodeRecord } from '@ron/proto/overlay';
import type { OverlayPorts } from '../ports.ts';
import { isRecordCurrent, isRecordGenuine } from '../records.ts';
import type { Bans } from './bans.ts';
import { type PeerStore, storedMax } from './peer-store.ts';
import type { ProviderQuality } from './provider-quality.ts';

/** Where this node could join: nodes it has known, each by its own word. Kept in the peer store. */
export class PeerBook {
  readonly #ports: OverlayPorts;
  readonly #store: PeerStore;
  readonly #bans: Bans;
  readonly #quality: ProviderQuality;
  /** The one heard of longest ago first. */
  readonly #records = new Map<NodeId, NodeRecord>();
  #timer: Timer | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(
    ports: OverlayPorts,
    store: PeerStore,
    parts: { readonly bans: Bans; readonly quality: ProviderQuality },
  ) {
    this.#ports = ports;
    this.#store = store;
    this.#bans = parts.bans;
    this.#quality = parts.quality;
  }

  get size(): number {
    return this.#records.size;
  }

  contacts(): Contact[] {
    return [...this.#records.values()].filter(({ id }) => !this.#bans.isBanned(id)).map(contactOf);
  }

  /** A record that was checked. */
  keep(record: NodeRecord): void {
    this.#records.delete(record.id);
    if (record.left === true) return;
    this.#records.set(record.id, record);
    if (this.#records.size <= storedMax) return;
    for (const oldest of this.#records.keys()) {
      this.#records.delete(oldest);
      return;
    }
  }

  /** What another node gave as a sample. False when one of them does not hold: then it did not check, or made it up. */
  keepSample(records: readonly NodeRecord[]): boolean {
    for (const record of records) {
      const known = this.#records.get(record.id);
      if (known !== undefined && known.incarnation >= record.incarnation) continue;
      if (!isRecordCurrent(record, this.#ports.clock.wallMs())) continue;
      if (!isRecordGenuine(this.#ports, record)) return false;
      this.keep(record);
    }
    return true;
  }

  async open(): Promise<void> {
    const { records, bans, qualities } = await this.#store.load();
    // Records of the store are not checked again: who is dialled has to prove its id.
    for (const record of records) this.keep(record);
    this.#bans.restore(bans);
    this.#quality.restore(qualities.map(({ id, throughput, failures }) => [id, { throughput, failures }] as const));
    this.#saveLater();
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#save();
  }

  #saveLater(): void {
    const { clock, config } = this.#ports;
    this.#timer = clock.after(config().store_period_ms, () => {
      void this.#save().then(() => {
        if (this.#timer !== undefined) this.#saveLater();
      });
    });
  }

  /** One after the other; a failure costs what was learned since the last time. */
  #save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const qualities = this.#quality.entries().map(([id, quality]) => ({ id, ...quality }));
      try {
        await this.#store.save({ v: 1, records: [...this.#records.values()], bans: this.#bans.list(), qualities });
      } catch (error) {
        this.#ports.log.warn({ error }, 'the peer store cannot be written');
      }
    });
    return this.#saving;
  }
}
