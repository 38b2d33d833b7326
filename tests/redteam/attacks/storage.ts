import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeProcess, StartError, startNodeProcess } from '../../support/node-process.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { type Attack, type Evidence, many, type Setting, Tally, type Target } from '../attack.ts';
import { isServedBy } from '../being-served.ts';
import { filesBelow } from '../folder-state.ts';
import { ask, RawHttp, requestBytes } from '../raw-http.ts';
import { metricsOf, within } from '../signs.ts';
import { addressOf, plain } from './settings.ts';

const MiB = 1_048_576;
const info = ['--set', 'server.log_level=info'];
const small: Setting = { kind: 'micronode', options: { args: ['--set', 'memory.blob_bytes_max=8388608'] } };

const large: Setting = { kind: 'micronode', options: { args: ['--set', 'memory.blob_bytes_max=134217728'] } };

interface Usage {
  readonly objects: number;
  readonly bytes: number;
  readonly uploads: number;
}

async function usageOf(target: Target): Promise<Usage> {
  return JSON.parse(
    (await target.ask({ method: 'POST', target: '/admin/usage', body: '{}' })).body.toString(),
  ) as Usage;
}

const put = (node: Pick<NodeProcess, 'port' | 'capability'>, body: string | Uint8Array) =>
  ask(node.port, { method: 'PUT', target: '/put', headers: { Authorization: `Bearer ${node.capability}` }, body });

async function stored(node: Pick<NodeProcess, 'port' | 'capability'>, body: string | Uint8Array): Promise<string> {
  const reply = await put(node, body);
  if (reply.status !== 200 && reply.status !== 201) throw new Error(`${reply.status} ${reply.body}`);
  return (JSON.parse(reply.body.toString()) as { address: string }).address;
}

const read = (node: Pick<NodeProcess, 'port' | 'capability'>, address: string) =>
  ask(node.port, { target: `/o/${address}`, headers: { Authorization: `Bearer ${node.capability}` } });

function abortedUploads(total: number): Attack {
  return {
    name: `${total.toLocaleString('en')} aborted uploads, FIN and RST`,
    area: 'storage',
    expected: 'nothing left behind',
    quick: total < 5_000,
    setting: plain,
    async run(target) {
      const before = await usageOf(target);
      await many(total, 24, async (index) => {
        using client = new RawHttp(target.port, addressOf(index));
        const headers = { ...target.auth, 'Content-Length': '900000' };
        client.say(requestBytes({ method: 'PUT', target: '/put', headers }));
        client.say(Buffer.alloc(500 + (index % 60_000), index));
        await new Promise((resolve) => client.socket.once('connect', resolve));
        if (index % 2 === 0) client.socket.resetAndDestroy();
        else client.socket.end();
      });
      // What an upload reserved is free when its end is noticed.
      let after = before;
      const asBefore = async () => {
        after = await usageOf(target);
        return JSON.stringify(after) === JSON.stringify(before);
      };
      target.check(await within(15_000, asBefore), `${JSON.stringify(after)} after ${JSON.stringify(before)}`);
    },
  };
}

const wrongAddress: Attack = {
  name: '500 PUTs under a wrong address, 100 equal PUTs at once',
  area: 'storage',
  expected: '422 and nothing stored; one copy',
  quick: true,
  setting: plain,
  async run(target) {
    const before = await usageOf(target);
    await many(500, 12, async (index) => {
      const wrong = `b3:${index.toString(16).padStart(64, '0')}`;
      const reply = await target.ask({ method: 'PUT', target: `/o/${wrong}`, body: `bytes of another ${index}` });
      target.refused(reply, { status: 422, code: 'bad_digest' });
    });
    target.check((await usageOf(target)).objects === before.objects, 'something was stored');
    const tally = new Tally();
    await many(100, 50, async () => {
      tally.add((await target.ask({ method: 'PUT', target: '/put', body: Buffer.alloc(70_000, 0x67) })).status);
    });
    target.check(tally.of(201) === 1 && tally.of(200) === 99, String(tally));
    target.check((await usageOf(target)).objects === before.objects + 1, 'more than one copy');
    target.saw(String(tally));
  },
};

const full: Attack = {
  name: 'tiny objects until the budget of 8 MiB is full',
  area: 'storage',
  expected: '507 with the envelope; reads go on',
  quick: false,
  setting: small,
  tolerance: { heapBytesMax: 48 * MiB },
  async run(target) {
    const tally = new Tally();
    await many(60_000, 24, async (index) => {
      if (tally.of(507) > 50) return;
      const reply = await put(target.node, `o${index}`);
      tally.add(reply.status);
      if (reply.status === 507) target.refused(reply, { status: 507, code: 'insufficient_storage' });
    });
    target.check(tally.of(507) > 0 && tally.of(201) > 1_000, String(tally));
    target.saw(String(tally));
  },
};

const million: Attack = {
  name: '10^6 one-byte objects against the default budget',
  area: 'storage',
  expected: 'stored or 507; memory within the budget',
  quick: false,
  setting: large,
  tolerance: { heapBytesMax: 768 * MiB, residentBytesMax: 1_024 * MiB },
  async run(target) {
    const tally = new Tally();
    await many(200, 24, async (part) => {
      using client = new RawHttp(target.port, addressOf(part));
      for (let at = 0; at < 5_000; at += 50) {
        const bodies = Array.from({ length: 50 }, (_, more) => `${(part * 5_000 + at + more).toString(36)}`);
        const head = `PUT /put HTTP/1.1\r\nHost: n\r\nAuthorization: ${target.auth.Authorization}\r\n`;
        client.say(bodies.map((body) => `${head}Content-Length: ${body.length}\r\n\r\n${body}`).join(''));
        for (let left = 50; left > 0; left--) tally.add((await client.reply()).status);
      }
    });
    target.check(tally.of(201) + tally.of(200) + tally.of(507) + tally.of(503) === 1_000_000, String(tally));
    target.saw(String(tally));
  },
};

const collection: Attack = {
  name: 'collection racing 2,000 reads and writes',
  area: 'storage',
  expected: 'what is named or new is never lost or wrong',
  quick: true,
  setting: plain,
  tolerance: { heapBytesMax: 64 * MiB },
  async run(target) {
    const named = await stored(target.node, 'named and kept');
    const set = await target.ask({ method: 'PUT', target: '/name/kept/one', body: JSON.stringify({ address: named }) });
    target.check(set.status === 200, `the name: ${set.status} ${set.body}`);
    const tally = new Tally();
    let over = false;
    const collecting = (async () => {
      while (!over) {
        const { status, body } = await target.ask({ method: 'POST', target: '/admin/collect', body: '{}' });
        tally.add(`collect ${status}`);
        if (status >= 500 && status !== 503) target.check(false, `collect: ${status} ${body}`);
      }
    })();
    await many(1_000, 8, async (index) => {
      const text = `raced ${index}`;
      const address = await stored(target.node, text);
      for (const [wanted, content] of [
        [address, text],
        [named, 'named and kept'],
      ] as const) {
        const reply = await read(target.node, wanted);
        tally.add(reply.status);
        target.check(reply.status === 200 && reply.body.toString() === content, `${reply.status} for what is held`);
      }
    });
    over = true;
    await collecting;
    target.saw(String(tally));
  },
};

const twoProcesses: Attack = {
  name: 'two processes on one folder, 6 tries',
  area: 'storage',
  expected: 'exit code 6, three lines; the first goes on',
  quick: false,
  setting: 'alone',
  async run(evidence) {
    using folder = tempFolder();
    const args = ['--persist', folder.join('data'), ...info];
    await using first = await startNodeProcess({ args });
    await many(6, 2, async () => {
      const second = await startNodeProcess({ args }).then(
        async (node) => {
          await node.stop();
          return undefined;
        },
        (error: unknown) => error,
      );
      evidence.check(second instanceof StartError && second.exit.code === 6, `the second: ${second}`);
      if (second instanceof StartError) evidence.check(second.stderr.trim().split('\n').length === 3, second.stderr);
    });
    evidence.check(first.alive && (await isServedBy(first)), 'the first serves nobody');
  },
};

/** Somebody who can write into the folder's parent, but not read what the node reads, points its paths elsewhere. */
const symlinks: Attack = {
  name: 'symlinks in the place of files and folders of the data',
  area: 'storage',
  expected: 'never followed out of the folder: refused or replaced',
  quick: false,
  setting: 'alone',
  async run(evidence) {
    using folder = tempFolder();
    const data = folder.join('data');
    const outside = folder.join('outside');
    const victim = join(outside, 'victim');
    mkdirSync(outside);
    writeFileSync(victim, 'not of the node');
    const bodies = Array.from({ length: 12 }, (_, index) => Buffer.alloc(100_000 + index, index));
    const addresses: string[] = [];
    {
      await using node = await startNodeProcess({ args: ['--persist', data, ...info] });
      for (const body of bodies) addresses.push(await stored(node, body));
    }
    const tally = new Tally();
    for (const path of linkable(data)) {
      const full = join(data, path);
      const isFolder = lstatSync(full).isDirectory();
      const kept = isFolder ? undefined : readFileSync(full);
      if (isFolder) continue;
      rmSync(full);
      symlinkSync(victim, full);
      tally.add(await outcomeOf(evidence, data, addresses, bodies, path));
      const content = readFileSync(victim, 'utf8');
      evidence.check(content === 'not of the node', `${path}: written through the link (${content.length} bytes)`);
      writeFileSync(victim, 'not of the node');
      evidence.check(readdirSync(outside).length === 1, `${path}: something was made outside`);
      rmSync(full, { force: true });
      writeFileSync(full, kept!, { mode: 0o600 });
    }
    evidence.saw(String(tally));
  },
};

/** One file of each kind: folder and extension. */
function linkable(data: string): readonly string[] {
  const kinds = new Map<string, string>();
  for (const path of filesBelow(data)) {
    const kind = path.replaceAll(/[0-9a-f]{2,}|\d+/g, '*');
    if (!kinds.has(kind) && !path.endsWith('.lock')) kinds.set(kind, path);
  }
  return [...kinds.values()];
}

/** Starts a node on a folder that was tampered with: it says no, or it never serves a wrong byte. */
async function outcomeOf(
  evidence: Evidence,
  data: string,
  addresses: readonly string[],
  bodies: readonly Buffer[],
  what: string,
): Promise<string> {
  try {
    await using node = await startNodeProcess({ args: ['--persist', data, ...info] });
    let wrong = 0;
    let whole = 0;
    for (const [index, address] of addresses.entries()) {
      const reply = await read(node, address).catch(() => undefined);
      if (reply?.status === 200 && !reply.body.equals(bodies[index]!)) wrong++;
      if (reply?.status === 200) whole++;
    }
    evidence.check(wrong === 0, `${what}: ${wrong} objects with wrong bytes`);
    evidence.check(node.alive, `${what}: the node ended`);
    return whole === addresses.length ? 'all served' : 'some refused';
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    const { exit, stderr } = error;
    evidence.check(
      exit.signal === null && !/\n\s+at .*:\d+:\d+/.test(stderr),
      `${what}: ${exit.code} ${stderr.slice(0, 400)}`,
    );
    return `no start (${exit.code})`;
  }
}

function flips(perKind: number): Attack {
  return {
    name: `flipped bytes in each kind of file, ${perKind} each`,
    area: 'storage',
    expected: 'never a wrong byte; a start that fails says why',
    quick: false,
    setting: 'alone',
    async run(evidence) {
      using folder = tempFolder();
      const data = folder.join('data');
      const bodies = Array.from({ length: 12 }, (_, index) => Buffer.alloc(150_000 + index, index + 1));
      const addresses: string[] = [];
      {
        await using node = await startNodeProcess({ args: ['--persist', data, ...info] });
        for (const body of bodies) addresses.push(await stored(node, body));
        const name = { address: addresses[0] };
        await ask(node.port, {
          method: 'PUT',
          target: '/name/flipped/one',
          headers: { Authorization: `Bearer ${node.capability}` },
          body: JSON.stringify(name),
        });
      }
      const tally = new Tally();
      for (const path of linkable(data)) {
        const full = join(data, path);
        const was = readFileSync(full);
        if (was.length === 0) continue;
        for (let round = 0; round < perKind; round++) {
          const bytes = Buffer.from(was);
          const at = Math.floor((was.length * (2 * round + 1)) / (2 * perKind));
          bytes[at] = bytes[at]! ^ 0x10;
          writeFileSync(full, bytes);
          tally.add(await outcomeOf(evidence, data, addresses, bodies, `${path} at ${at}`));
          writeFileSync(full, was);
        }
      }
      evidence.saw(`${tally}`);
    },
  };
}

const resumable: Attack = {
  name: 'uploads by tus that stop, 1,000 sessions',
  area: 'storage',
  expected: 'bounded: refused past the bound, aborted ones free',
  quick: true,
  setting: plain,
  tolerance: { heapBytesMax: 64 * MiB },
  async run(target) {
    const tally = new Tally();
    const locations: string[] = [];
    await many(1_000, 12, async () => {
      const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Length': '1000000' };
      const reply = await target.ask({ method: 'POST', target: '/uploads', headers, body: '' });
      tally.add(reply.status);
      if (reply.headers['location'] !== undefined)
        locations.push(new URL(reply.headers['location'], 'http://n').pathname);
    });
    target.check(tally.of(201) > 0, String(tally));
    await many(locations.length, 12, async (index) => {
      const reply = await target.ask({
        method: 'DELETE',
        target: locations[index]!,
        headers: { 'Tus-Resumable': '1.0.0' },
      });
      target.check(reply.status === 204 || reply.status === 200, `abort: ${reply.status} ${reply.body}`);
    });
    const { uploads } = await usageOf(target);
    target.check(uploads === 0, `${uploads} uploads are left`);
    target.saw(`${tally}; ${(await metricsOf(target.port)).size} series`);
  },
};

export const storage: readonly Attack[] = [
  ...[abortedUploads(1_500), abortedUploads(10_000), wrongAddress, collection, resumable],
  ...[full, million, twoProcesses, symlinks, flips(1), flips(8)],
];
