import { closeSync, cpSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeProcess, StartError, startNodeProcess } from '../support/node-process.ts';
import { call, jsonOf, put, setName } from './client.ts';
import { contentOf } from './contents.ts';
import { countsOf, Failure, must, randomFrom, type Scenario, temporaryFolder } from './scenario.ts';

interface Stored {
  readonly objects: ReadonlyMap<string, Buffer>;
  readonly names: ReadonlyMap<string, string>;
}

/** Flips one bit of one file of a stopped node, starts it, reads everything. */
export const bitFlips: Scenario = {
  name: 'flips',
  summary: 'a flipped bit anywhere under the data folder',
  async run({ quick, seed }) {
    const flips = quick ? 100 : 2_000;
    using folder = temporaryFolder('flips');
    const template = join(folder.path, 'template');
    const stored = await makeTemplate(template);
    const counts: Record<string, number> = { flips, 'all right': 0 };
    const count = (outcome: string) => {
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    };
    let next = 0;
    const worker = async (lane: number) => {
      const copy = join(folder.path, `copy-${lane}`);
      while (next < flips) {
        const number = next++;
        const random = randomFrom(seed * 100_003 + number);
        rmSync(copy, { recursive: true, force: true });
        cpSync(template, copy, { recursive: true });
        const where = flipOne(copy, random);
        try {
          for (const outcome of await outcomesOf(copy, stored)) count(outcome);
        } catch (error) {
          throw new Failure(`flip ${number} (seed ${seed}) in ${where}: ${(error as Error).message}`);
        }
      }
    };
    await Promise.all([worker(0), worker(1)]);
    return countsOf({ ...counts, 'wrong bytes': 0 });
  },
};

async function makeTemplate(folder: string): Promise<Stored> {
  const objects = new Map<string, Buffer>();
  const names = new Map<string, string>();
  await using node = await startNodeProcess({ args: ['--persist', folder] });
  const sizes = [...Array(60).fill(900), ...Array(12).fill(60_000), 65_536, 65_537, 200_000, 200_001, 3_200_000];
  for (const [seed, size] of (sizes as number[]).entries()) {
    const bytes = contentOf(seed + 1, size);
    const address = await put(node, bytes);
    objects.set(address, bytes);
    if (seed % 4 === 0) {
      const name = `flips/name-${seed}`;
      await setName(node, name, address);
      names.set(name, address);
    }
  }
  return { objects, names };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size > 0);
}

/** Each kind of file equally often, and mostly where it has bytes: preallocated zeros are most of a journal. */
function flipOne(folder: string, random: () => number): string {
  const files = filesBelow(folder);
  const kindOf = (path: string) =>
    path
      .slice(folder.length)
      .split('/')
      .slice(1, 3)
      .join('/')
      .replace(/[0-9a-f]{8,}.*/, '');
  const kinds = [...new Set(files.map(kindOf))].sort();
  const kind = kinds[Math.trunc(random() * kinds.length)]!;
  const candidates = files.filter((path) => kindOf(path) === kind).sort();
  const path = candidates[Math.trunc(random() * candidates.length)]!;
  const bytes = readFileSync(path);
  let used = bytes.length;
  while (used > 1 && bytes[used - 1] === 0) used--;
  const offset = Math.trunc(random() * (random() < 0.9 ? used : bytes.length));
  const mask = 1 << Math.trunc(random() * 8);
  const file = openSync(path, 'r+');
  const one = Buffer.alloc(1);
  readSync(file, one, 0, 1, offset);
  writeSync(file, Buffer.of(one[0]! ^ mask), 0, 1, offset);
  closeSync(file);
  return `${path.slice(folder.length + 1)} byte ${offset} mask ${mask}`;
}

async function outcomesOf(folder: string, stored: Stored): Promise<Set<string>> {
  let node: NodeProcess;
  try {
    node = await startNodeProcess({ args: ['--persist', folder] });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    must(error.exit.signal === null, `the start ended with ${error.exit.signal}`);
    const text = error.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
    must(
      text.length === 3 && text[0]!.startsWith('micronode cannot start'),
      `no clear refusal: ${error.stderr.slice(0, 600)}`,
    );
    return new Set([`refused to start (exit ${error.exit.code})`]);
  }
  await using running = node;
  const outcomes = new Set<string>();
  for (const [address, bytes] of stored.objects) {
    const reply = await call(running, 'GET', `/o/${address}`).catch((error: Error) => error);
    if (reply instanceof Error) {
      must(running.alive, `the node died: ${running.stderr().slice(-600)}`);
      outcomes.add('answers broken off');
    } else if (reply.status === 200)
      must(reply.body.equals(bytes), `WRONG BYTES for ${address} (${bytes.length} bytes)`);
    else outcomes.add(refusal(reply.status, reply.body, 'object'));
  }
  for (const [name, address] of stored.names) {
    const reply = await call(running, 'GET', `/name/resolve/${name}`);
    if (reply.status === 200)
      must(jsonOf(reply)['address'] === address, `${name} resolves to ${jsonOf(reply)['address']}`);
    else outcomes.add(refusal(reply.status, reply.body, 'name'));
  }
  must(running.alive, `the node died: ${running.stderr().slice(-600)}`);
  const objects = [...outcomes].some((outcome) => outcome.includes('object') || outcome.includes('broken'));
  if (objects) {
    const usage = jsonOf(await call(running, 'POST', '/admin/usage', '{}'));
    if ((usage['quarantined'] as number) > 0) outcomes.add('quarantined and counted');
  }
  return outcomes.size === 0 ? new Set(['all right']) : outcomes;
}

function refusal(status: number, body: Buffer, what: string): string {
  const { code } = JSON.parse(body.toString()) as { code: string };
  must(code === 'integrity' || code === 'not_found', `${what}: ${status} ${code}`);
  return `${what} ${code}`;
}
