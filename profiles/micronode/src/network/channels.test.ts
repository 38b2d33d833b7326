import type { NodeConnection, NodeLinks } from '@ron/transport';
import { expect, test } from 'vitest';
import { OpenChannels } from './channels.ts';

const peer = 'ab'.repeat(32);

/** A connection of which only who is at its other end matters. */
function connection(fill: number): NodeConnection {
  const duplex = { remote: 'test', write: () => true, setReading: () => undefined, start: () => undefined };
  const ends = { close: () => undefined, destroy: () => undefined };
  return { nodeId: peer, channelBinding: new Uint8Array(32).fill(fill), duplex: { ...duplex, ...ends } } as never;
}

test('a hello is judged by the connection that it came on, also when the node has opened another one since', () => {
  const channels = new OpenChannels({} as NodeLinks);
  const [first, second] = [connection(1), connection(2)];
  for (const each of [first, second]) channels.take(each);
  for (const { channelBinding } of [first, second]) {
    expect(channels.accepted(peer, channelBinding)).toEqual({ peer, role: 'responder', binding: channelBinding });
  }
  expect(channels.accepted(peer, undefined)).toBeUndefined();
});
