import type { RequestKind } from '../generator/plan.ts';
import type { Seeded } from './seeding.ts';

/** What clients ask for, in which proportion. */
export const mixes = {
  realistic: '70 % GET 64 KiB, 20 % GET 1 KiB, 5 % resolve, 5 % PUT 4 KiB',
  reads: 'the realistic one without its PUT',
  small: 'GET 1 KiB',
  large: 'GET 1 MiB',
  writes: '70 % PUT 4 KiB, 10 % names set, 20 % GET 1 KiB',
  mailbox: 'sends of 128 B and as many receives, each followed by the acknowledgement of what came',
} as const;
export type MixName = keyof typeof mixes;

export function isMixName(text: string): text is MixName {
  return Object.hasOwn(mixes, text);
}

export function mixOf(name: MixName, seeded: Seeded): readonly RequestKind[] {
  const get = (what: keyof Seeded['objects'], share: number): RequestKind => {
    const { bytes, addresses } = seeded.objects[what];
    return { kind: 'get', name: `get ${what}`, share, bytes, targets: addresses.map((address) => `/o/${address}`) };
  };
  const resolve = (share: number): RequestKind => ({
    kind: 'get',
    name: 'resolve',
    share,
    targets: seeded.names.map((name) => `/name/resolve/${name}`),
  });
  const put = (share: number): RequestKind => {
    return { kind: 'put', name: 'put 4 KiB', share, method: 'PUT', target: '/put', bytes: 4_096 };
  };
  switch (name) {
    case 'realistic':
      return [get('64 KiB', 70), get('1 KiB', 20), resolve(5), put(5)];
    case 'reads':
      return [get('64 KiB', 70), get('1 KiB', 20), resolve(10)];
    case 'small':
      return [get('1 KiB', 1)];
    case 'large':
      return [get('1 MiB', 1)];
    case 'writes':
      return [put(70), setName(seeded, 10), get('1 KiB', 20)];
    case 'mailbox':
      return [...mailbox(seeded.boxes, 50)];
  }
}

/** Names are pointed at the address that they had, which is a new version each time. */
export function setName({ names, objects }: Seeded, share: number): RequestKind {
  const body = { address: objects['1 KiB'].addresses[0] };
  return { kind: 'json', name: 'set name', share, method: 'PUT', targets: names.map((name) => `/name/${name}`), body };
}

export function mailbox(boxes: readonly string[], share: number): readonly RequestKind[] {
  const targets = boxes.map((box) => `/mailbox/${box}/send`);
  return [
    { kind: 'json', name: 'send', share, method: 'POST', targets, body: { body: 'm'.repeat(128) } },
    { kind: 'recv', name: 'recv', share, boxes, max: 10 },
  ];
}
