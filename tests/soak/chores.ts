import { setTimeout as sleep } from 'node:timers/promises';
import { count } from '../load/generator/tally.ts';
import { ask, type Seeded } from '../load/target/seeding.ts';
import { sampleBytes } from '../support/sample-bytes.ts';

const uploadBytes = 256 * 1_024;
const pieces = 4;
const pauseMs = 250;
const tus = { 'tus-resumable': '1.0.0' } as const;

export interface Chores {
  readonly done: Readonly<Record<string, number>>;
  /** What did not go as it must, by reason. */
  readonly errors: Readonly<Record<string, number>>;
}

/** What takes several requests that depend on each other, one after the other until it is told to stop. */
export async function doChores(
  node: { readonly url: string; readonly capability: string; readonly seeded: Seeded },
  signal: AbortSignal,
): Promise<Chores> {
  const done: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const chores: Record<string, (turn: number) => Promise<void>> = {
    'upload, whole': (turn) => upload(node, turn, false),
    'upload, given up': (turn) => upload(node, turn, true),
    'name set, moved, removed': (turn) => changeName(node, turn),
    'object, named for a while': (turn) => holdObject(node, turn),
  };
  for (let turn = 1; !signal.aborted; turn += 1) {
    for (const [name, chore] of Object.entries(chores)) {
      try {
        await chore(turn);
        count(done, name);
      } catch (error) {
        count(errors, `${name}: ${error instanceof Error ? error.message.slice(0, 120) : error}`);
      }
      await sleep(pauseMs);
    }
  }
  return { done, errors };
}

type Node = Parameters<typeof doChores>[0];

async function upload({ url, capability }: Node, turn: number, isGivenUp: boolean): Promise<void> {
  const bytes = sampleBytes(uploadBytes, 7_000_003 + turn * 2 + Number(isGivenUp));
  const authorization = `Bearer ${capability}`;
  const send = async (method: string, path: string, headers: Record<string, string>, body?: Uint8Array) => {
    const response = await fetch(new URL(path, url), {
      method,
      headers: { ...tus, authorization, ...headers },
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} of an upload: ${response.status} ${text.slice(0, 100)}`);
    return response;
  };
  const created = await send('POST', '/uploads', { 'upload-length': String(uploadBytes) });
  const path = created.headers.get('location');
  if (path === null) throw new Error('an upload without a location');
  const each = uploadBytes / pieces;
  for (let piece = 0; piece < (isGivenUp ? 1 : pieces); piece += 1) {
    const from = piece * each;
    const headers = { 'upload-offset': String(from), 'content-type': 'application/offset+octet-stream' };
    await send('PATCH', path, headers, bytes.subarray(from, from + each));
  }
  if (isGivenUp) await send('DELETE', path, {});
}

async function changeName({ url, capability, seeded }: Node, turn: number): Promise<void> {
  const name = `/name/soak/fleeting-${turn % 32}`;
  const [first, second] = seeded.objects['1 KiB'].addresses;
  await ask(url, capability, 'PUT', name, { address: first });
  await ask(url, capability, 'PUT', name, { address: second });
  await ask(url, capability, 'DELETE', name);
}

/** Held by a name for one turn, then left to collection. */
async function holdObject({ url, capability }: Node, turn: number): Promise<void> {
  const { address } = await ask<{ address: string }>(
    url,
    capability,
    'PUT',
    '/put',
    sampleBytes(65_536, 9_000_011 + turn),
  );
  await ask(url, capability, 'PUT', '/name/soak/held', { address });
}
