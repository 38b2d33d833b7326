import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@ron/app-sdk/node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { sampleBytes } from '../support/sample-bytes.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Only bounds a hang. */
const patience = { timeout: 150_000, interval: 100 };

/** A durable node process, which may be killed and started again in its folder. */
class Member {
  readonly #folder: string;
  readonly #config: string;
  process!: NodeProcess;
  id = '';
  contact = '';

  constructor(folder: string) {
    mkdirSync(folder);
    this.#folder = folder;
    this.#config = join(folder, 'node.toml');
  }

  async start(seeds: readonly Member[], trusted: readonly Member[]): Promise<void> {
    this.trust(trusted);
    const known = seeds.length === 0 ? [] : [`network.seeds=${seeds.map(({ contact }) => contact).join(',')}`];
    const settings = [
      'network.listen=127.0.0.1:0',
      'network.dial_private=true',
      'overlay.probe_period_ms=200',
      'overlay.copies_grace_ms=2000',
      'overlay.copies_last_grace_ms=1000',
      ...known,
    ];
    const args = ['--config', this.#config, ...settings.flatMap((setting) => ['--set', setting])];
    this.process = stack.use(await startNodeProcess({ persist: join(this.#folder, 'data'), args }));
    [, this.contact = '', this.id = ''] = /^Network contact: ((\S+)@\S+)$/m.exec(this.process.stdout()) ?? [];
  }

  /** The node watches its file. */
  trust(others: readonly Member[]): void {
    const ids = others.filter((other) => other !== this).map(({ id }) => id);
    writeFileSync(this.#config, `[network]\ntrusted = ${JSON.stringify(ids)}\n`);
  }

  get ron() {
    return stack.use(connect({ url: this.process.url, capability: this.process.capability }));
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.process.exited;
  }

  async has(address: string): Promise<boolean> {
    return (await this.ron.blobs.has([address])).present.length > 0;
  }

  async living(address: string): Promise<readonly string[]> {
    for await (const pinned of this.ron.pins.list()) {
      if (pinned.address === address)
        return pinned.holders.filter(({ state }) => state === 'alive').map(({ node }) => node);
    }
    return [];
  }
}

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

test('a holder is killed and its copy is made again; the owner is killed and still knows what it wanted', async () => {
  const root = stack.use(tempFolder());
  const members = ['a', 'b', 'c', 'd'].map((name) => new Member(root.join(name)));
  const [owner] = members as [Member];
  for (const [index, member] of members.entries()) await member.start(members.slice(0, Math.min(1, index)), []);
  for (const member of members) member.trust(members);
  const bytes = sampleBytes(5_000_000, 11);
  const put = () => owner.ron.blobs.put(bytes, { copies: 3 }).catch(() => undefined);
  // Until they know and trust each other, it is refused.
  await expect.poll(async () => (await put())?.copies?.length, patience).toBe(3);
  const { address } = (await put())!;
  const holders = await owner.living(address);
  expect(holders).toHaveLength(3);

  const lost = members.find((member) => member !== owner && holders.includes(member.id))!;
  const spare = members.find((member) => !holders.includes(member.id))!;
  expect(await spare.has(address)).toBe(false);
  await lost.kill();
  await expect.poll(() => spare.has(address), patience).toBe(true);
  const now = [owner, ...members.filter((member) => member !== owner && member !== lost)].map(({ id }) => id);
  await expect.poll(async () => [...(await owner.living(address))].sort(), patience).toEqual([...now].sort());

  await owner.kill();
  await owner.start([spare], members);
  await expect.poll(async () => [...(await owner.living(address))].sort(), patience).toEqual([...now].sort());
  expect(Buffer.compare(await (await owner.ron.blobs.get(address)).bytes(), bytes)).toBe(0);
  const report = await owner.ron.pins.repair({ dryRun: true });
  expect(report).toMatchObject({ objects: 1, lacking: 0 });
});
