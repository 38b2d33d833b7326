import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import type { RonClient } from '@ron/app-sdk';
import { connect } from '@ron/app-sdk/node';
import { type StartedNode, startNode } from '../start-node.ts';

/** Only ends a wait for what never happens. */
const waitMsMax = 120_000;
const askAgainMs = 100;

/** A node process in RAM that others can join, and a client of it. */
export interface NetworkNode extends AsyncDisposable {
  readonly node: StartedNode;
  readonly ron: RonClient;
  readonly id: string;
  /** `<id>@<host:port>`, as the node prints it. */
  readonly contact: string;
  /** From now on these may read here, and their names are believed, the first before the others. */
  trust(...others: readonly NetworkNode[]): void;
}

/** Where a node runs: on loopback, or at an address of its own, there by a command that starts it. */
export interface Place {
  readonly host: string;
  readonly command: readonly string[];
}

export function startNetworkNode(...seeds: readonly NetworkNode[]): Promise<NetworkNode> {
  return startNetworkNodeAt({ host: '127.0.0.1', command: [] }, ...seeds);
}

export async function startNetworkNodeAt(place: Place, ...seeds: readonly NetworkNode[]): Promise<NetworkNode> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'ron-network-'));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'config.toml');
  // Beyond loopback its API is plain HTTP for whoever reaches it: fine between namespaces of one machine.
  const settings = place.command.length === 0 ? '' : '[server]\nallow_remote = true\nunsafe = true\n';
  writeFileSync(config, settings);
  const contacts = seeds.map(({ contact }) => contact).join(',');
  const joining = contacts === '' ? [] : ['--set', `network.seeds=${contacts}`];
  // Addresses on loopback are dialled only where that is allowed: a node on the Internet must not be sent there.
  const reaching = ['--network', `${place.host}:0`, '--set', 'network.dial_private=true'];
  const node = stack.use(await startNode(['--config', config, ...reaching, ...joining], place));
  const ron = stack.use(connect({ url: node.url, capability: node.capability }));
  const [, contact = '', id = ''] = /^Network contact: ((\S+)@\S+)$/m.exec(node.banner) ?? [];
  const owned = stack.move();
  return {
    node,
    ron,
    id,
    contact,
    // The node watches its file.
    trust(...others) {
      writeFileSync(config, `${settings}[network]\ntrusted = ${JSON.stringify(others.map((other) => other.id))}\n`);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Asks until there is an answer; what one node does, another one hears of later. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const endMs = performance.now() + waitMsMax;
  for await (const _ of setInterval(askAgainMs)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > endMs) break;
  }
  throw new Error(`${what}: not within ${waitMsMax} ms`);
}

/** Each of them knows that all the others are there. */
export async function met(...nodes: readonly NetworkNode[]): Promise<void> {
  for (const { node } of nodes) {
    const headers = { authorization: `Bearer ${node.capability}` };
    await until('the nodes find each other', async () => {
      const page = (await (await fetch(`${node.url}/overlay/peers`, { headers })).json()) as PeersPage;
      return page.members.alive === nodes.length - 1 || undefined;
    });
  }
}

interface PeersPage {
  readonly members: { readonly alive: number };
}
