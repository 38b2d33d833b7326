import type { NodeProcess } from '../support/node-process.ts';
import { call, jsonOf, put, setName } from './client.ts';
import { contentOf, sizeFrom } from './contents.ts';
import { must } from './scenario.ts';

interface Kept {
  readonly seed: number;
  readonly size: number;
}

/** What a node has acknowledged: all of it must be there after any fault. */
export class Ledger {
  readonly objects = new Map<string, Kept>();
  /** name → version → address. */
  readonly names = new Map<string, Map<number, string>>();
  #fresh: string[] = [];
  #counter = 0;

  get nameVersions(): number {
    let sum = 0;
    for (const versions of this.names.values()) sum += versions.size;
    return sum;
  }

  /** Writes on `writers` connections until `stopped`; whatever fails before that is the node's fault and thrown. */
  async write(node: NodeProcess, random: () => number, writers: number, stopped: () => boolean): Promise<void> {
    const one = async (writer: number) => {
      while (!stopped()) {
        const kept = { seed: (Math.trunc(random() * 2 ** 31) ^ this.#counter++) >>> 0, size: sizeFrom(random) };
        try {
          const address = await put(node, contentOf(kept.seed, kept.size));
          this.objects.set(address, kept);
          this.#fresh.push(address);
          if (random() < 0.4) {
            const name = `faults/writer-${writer}`;
            const version = await setName(node, name, address);
            const versions = this.names.get(name) ?? new Map<number, string>();
            versions.set(version, address);
            this.names.set(name, versions);
          }
        } catch (error) {
          if (!stopped()) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => one(writer)));
  }

  /** Compares the objects written since the last check (`all`: every one) and every name. */
  async check(node: NodeProcess, all: boolean): Promise<void> {
    const addresses = all ? [...this.objects.keys()] : this.#fresh;
    this.#fresh = [];
    let next = 0;
    const reader = async () => {
      while (next < addresses.length) {
        const address = addresses[next++]!;
        const { seed, size } = this.objects.get(address)!;
        const { status, body } = await call(node, 'GET', `/o/${address}`);
        must(status === 200, `acknowledged ${address} (${size} bytes): ${status} ${body.subarray(0, 200)}`);
        must(body.equals(contentOf(seed, size)), `WRONG BYTES for ${address} (${size} bytes)`);
      }
    };
    await Promise.all([reader(), reader(), reader(), reader()]);
    for (const [name, versions] of this.names) await checkName(node, name, versions);
  }
}

async function checkName(node: NodeProcess, name: string, versions: ReadonlyMap<number, string>): Promise<void> {
  const newest = Math.max(...versions.keys());
  const reply = await call(node, 'GET', `/name/resolve/${name}`);
  must(reply.status === 200, `acknowledged name ${name}: ${reply.status}`);
  const record = jsonOf(reply);
  must((record['version'] as number) >= newest, `${name}: version ${record['version']}, acknowledged ${newest}`);
  if (record['version'] === newest) {
    must(record['address'] === versions.get(newest), `${name} v${newest} points elsewhere`);
    return;
  }
  const history = jsonOf(await call(node, 'GET', `/name/${name}/history?limit=100`))['records'];
  const found = (history as { version: number; address: string }[]).find(({ version }) => version === newest);
  must(found?.address === versions.get(newest), `${name} v${newest} is not in the history`);
}
