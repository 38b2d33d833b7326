import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { put } from './client.ts';
import { contentOf } from './contents.ts';
import { countsOf, must, pause, randomFrom, type Scenario, temporaryFolder } from './scenario.ts';
import { issue, issuedOf, leavesOf, logKey, mayRead, post, verified } from './trust-client.ts';

const writers = 8;

/** Issues and revocations at once, SIGKILL in the middle: what was acknowledged is in force, in the log, and proven. */
export const trustKill: Scenario = {
  name: 'trust-kill',
  summary: 'kill -9 in the middle of issues and revocations',
  async run({ quick, seed }) {
    const kills = quick ? 3 : 20;
    using folder = temporaryFolder('trust-kill');
    const random = randomFrom(seed);
    const ledger = new Ledger();
    let key = '';
    let address = '';
    for (let kill = 0; kill < kills; kill++) {
      await using node = await startNodeProcess({ args: ['--persist', folder.path] });
      if (kill === 0) [key, address] = [await logKey(node), await put(node, contentOf(1, 1_000))];
      await ledger.check(node, address);
      let killed = false;
      const working = Promise.all(Array.from({ length: writers }, () => ledger.work(node, random, () => killed)));
      await pause(50 + random() * 700);
      killed = true;
      node.kill('SIGKILL');
      await working;
      must((await node.exited).signal === 'SIGKILL', 'the node was killed');
      await verified(folder.path, key);
    }
    {
      await using node = await startNodeProcess({ args: ['--persist', folder.path] });
      await ledger.check(node, address);
    }
    await verified(folder.path, key);
    return countsOf({ kills, ...ledger.counts(), lost: 0 });
  },
};

/** What the node has acknowledged. */
class Ledger {
  /** By id: usable, or, while an answer was awaited at the kill, either. */
  readonly #issued = new Map<string, { readonly token: string; state: 'usable' | 'unsure' | 'revoked' }>();
  #subjects = 0;
  #unanswered = 0;

  /** Issues and revokes until the node is gone. */
  async work(node: NodeProcess, random: () => number, over: () => boolean): Promise<void> {
    while (!over()) {
      try {
        if (random() < 0.6) await this.#issue(node, random() < 0.7 ? 'hmac' : 'ed25519');
        else await this.#revoke(node, random);
      } catch (error) {
        if (!over()) throw error;
        this.#unanswered++;
      }
    }
  }

  async #issue(node: NodeProcess, scheme: 'hmac' | 'ed25519'): Promise<void> {
    const reply = await issue(node, `subject-${this.#subjects++}`, scheme);
    must(reply.status === 200, `issue: ${reply.status} ${reply.body}`);
    const { capability, capability_id } = issuedOf(reply);
    this.#issued.set(capability_id, { token: capability, state: 'usable' });
  }

  async #revoke(node: NodeProcess, random: () => number): Promise<void> {
    const usable = [...this.#issued].filter(([, { state }]) => state === 'usable');
    if (usable.length === 0) return;
    const [id, entry] = usable[Math.floor(random() * usable.length)]!;
    entry.state = 'unsure';
    const reply = await post(node, '/passport/revoke', { capability_id: id });
    must(reply.status === 200, `revoke: ${reply.status} ${reply.body}`);
    entry.state = 'revoked';
  }

  /** Every acknowledged issue and revocation holds and has its leaf. */
  async check(node: NodeProcess, address: string): Promise<void> {
    const leaves = (await leavesOf(node)).filter(({ outcome }) => outcome === 'ok');
    const idsOf = (op: string) =>
      new Set(leaves.filter((leaf) => leaf.op === op).map(({ fields }) => fields['capability_id']));
    const [issued, revoked] = [idsOf('passport.issue'), idsOf('passport.revoke')];
    for (const [id, { token, state }] of this.#issued) {
      must(issued.has(id), `the issue of ${id} has its leaf`);
      if (state === 'revoked') must(revoked.has(id), `the revocation of ${id} has its leaf`);
      if (state === 'unsure') continue;
      const good = await mayRead(node, token, address);
      must(good === (state === 'usable'), `${id} is ${state}, and the node says ${good}`);
    }
  }

  counts(): Record<string, number> {
    const revoked = [...this.#issued.values()].filter(({ state }) => state === 'revoked').length;
    return {
      'issues with their leaves': this.#issued.size,
      'revocations in force with their leaves': revoked,
      'calls without an answer': this.#unanswered,
    };
  }
}
