import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { sleep } from '@ron/kernel';
import { createInlineWork } from '@ron/kernel/real';
import { type SimEnv, SimWorld } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { type NodeSigner, toHex, type VerifySignature } from '@ron/transport';
import { DhtNode, type DhtPorts } from '../dht-node.ts';

import { createNodeHandlers, serveNode } from '../node-service.ts';
import { Publisher } from '../publisher.ts';
import { type DhtRules, dhtRulesDefault } from '../rules.ts';
import { Upkeep } from '../upkeep.ts';

const { blake3 } = createInlineWork();
const spki = Buffer.from('302a300506032b6570032100', 'hex');

/** The platform's Ed25519. */
export const verifyEd25519: VerifySignature = (publicKey, message, signature) => {
  const key = { key: Buffer.concat([spki, publicKey]), format: 'der', type: 'spki' } as const;
  return verify(null, message, key, signature);
};

export function createTestSigner(): NodeSigner {
  const { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync('ed25519');
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
  return { id: toHex(blake3(raw)), publicKey: raw, sign: (message) => sign(null, message, privateKey) };
}

export interface TestNode {
  readonly contact: Contact;
  readonly signer: NodeSigner;
  readonly node: DhtNode;
  readonly publisher: Publisher;
  readonly upkeep: Upkeep;
  serve: (operation: string, input: unknown, from: NodeId) => unknown;
}

/** A few nodes with real keys, 10 ms from each other, on virtual time. Nothing is lost; who is taken away is silent. */
export class SmallNetwork {
  readonly env: SimEnv;
  readonly nodes = new Map<NodeId, TestNode>();
  asked = 0;

  constructor(seed = 1) {
    this.env = new SimWorld({ seed }).node('network');
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.env.scheduler.settle(work);
  }

  add(options: { rules?: Partial<DhtRules>; ports?: Partial<DhtPorts>; seeds?: readonly Contact[] } = {}): TestNode {
    const signer = createTestSigner();
    const index = this.nodes.size;
    const contact = { id: signer.id, address: `10.0.${index}.1:9700` };
    const node = new DhtNode(
      contact,
      { ...dhtRulesDefault, ...options.rules },
      {
        clock: this.env.clock,
        random: this.env.random,
        ask: ((to: Contact, operation: string, input: unknown, timeoutMs: number) =>
          this.#ask(contact.id, to, operation, input, timeoutMs)) as DhtPorts['ask'],
        blake3,
        signer,
        verify: verifyEd25519,
        ...options.ports,
      },
    );
    const known = options.seeds ?? [...this.nodes.values()].slice(0, 3).map((each) => each.contact);
    const publisher = new Publisher(node);
    const upkeep = new Upkeep(node, publisher, () => known);
    const made = { contact, signer, node, publisher, upkeep, serve: serveNode(createNodeHandlers(node)) };
    this.nodes.set(contact.id, made);
    return made;
  }

  async addJoined(count: number, options: Parameters<SmallNetwork['add']>[0] = {}): Promise<TestNode[]> {
    const made: TestNode[] = [];
    for (let index = 0; index < count; index++) {
      const next = this.add(options);
      await this.run(next.upkeep.join());
      made.push(next);
    }
    return made;
  }

  async #ask(from: NodeId, to: Contact, operation: string, input: unknown, timeoutMs: number): Promise<unknown> {
    this.asked++;
    const { clock } = this.env;
    await sleep(clock, 5);
    const target = this.nodes.get(to.id);
    if (target === undefined || target.contact.address !== to.address) {
      await sleep(clock, timeoutMs - 5);
      throw new RonError('deadline_exceeded', 'nobody answers');
    }
    const answer: unknown = await target.serve(operation, JSON.parse(JSON.stringify(input)), from);
    await sleep(clock, 5);
    return JSON.parse(JSON.stringify(answer));
  }
}
