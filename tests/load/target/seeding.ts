import { sampleBytes } from '../../support/sample-bytes.ts';

const KiB = 1_024;
/** Popular enough to differ, small enough to stay in any cache of the node. */
const counts = { '1 KiB': 256, '64 KiB': 256, '1 MiB': 8 } as const;
const sizes = { '1 KiB': KiB, '64 KiB': 64 * KiB, '1 MiB': 1_024 * KiB } as const;
const namesCount = 128;
const boxesCount = 16;
const atOnce = 16;

export interface SeededObjects {
  readonly bytes: number;
  readonly addresses: readonly string[];
}

/** What is there before a load begins. */
export interface Seeded {
  readonly objects: Readonly<Record<keyof typeof sizes, SeededObjects>>;
  readonly names: readonly string[];
  readonly boxes: readonly string[];
}

/** A control request of the runner itself. Throws with the answer when it is no success. */
export async function ask<T>(
  url: string,
  capability: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  const isBytes = body instanceof Uint8Array;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(capability === '' ? {} : { authorization: `Bearer ${capability}` }),
      ...(body === undefined || isBytes ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: isBytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
  return JSON.parse(text) as T;
}

export async function seed(url: string, capability: string, seedNumber: number): Promise<Seeded> {
  const put = async (bytes: number, index: number) => {
    const content = sampleBytes(bytes, 1 + seedNumber * 100_003 + index * 17 + bytes);
    return (await ask<{ address: string }>(url, capability, 'PUT', '/put', content)).address;
  };
  const store = async (what: keyof typeof sizes): Promise<SeededObjects> => {
    const bytes = sizes[what];
    return { bytes, addresses: await inTurns(counts[what], (index) => put(bytes, index)) };
  };
  const objects = { '1 KiB': await store('1 KiB'), '64 KiB': await store('64 KiB'), '1 MiB': await store('1 MiB') };
  const names = await inTurns(namesCount, async (index) => {
    const name = `load/page-${index}`;
    await ask(url, capability, 'PUT', `/name/${name}`, { address: objects['1 KiB'].addresses[0] });
    return name;
  });
  return { objects, names, boxes: Array.from({ length: boxesCount }, (_, index) => `load-${index}`) };
}

async function inTurns<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  for (let from = 0; from < count; from += atOnce) {
    const length = Math.min(atOnce, count - from);
    made.push(...(await Promise.all(Array.from({ length }, (_, index) => make(from + index)))));
  }
  return made;
}
