import net from 'node:net';
import { expect, test } from 'vitest';
import { hostTurn } from '../host-turn.ts';
import { Doors } from './doors.ts';

const anyPort = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

async function open(onConnection: (socket: net.Socket) => void) {
  const server = net.createServer({ allowHalfOpen: true }, onConnection);
  const doors = new Doors(server);
  const address = await doors.listen(anyPort, false);
  if (address.kind !== 'tcp') throw new Error('expected a port');
  return { address, close: () => new Promise<void>((resolve) => doors.close(resolve)) };
}

test('a crowd is taken in many at a time', async () => {
  let taken = 0;
  const { address, close } = await open((socket) => {
    taken += 1;
    socket.destroy();
  });
  // On loopback the system completes these before the loop hears of any.
  const crowd = Array.from({ length: 128 }, () => net.connect(address).on('error', () => undefined));
  let turns = 0;
  for (let before = 0; taken < crowd.length; before = taken) {
    await hostTurn();
    if (taken > before) turns += 1;
  }
  // With one socket, as where the system does not deal out, it is one a turn.
  expect(turns).toBeLessThan(process.platform === 'linux' ? crowd.length : crowd.length + 1);
  for (const socket of crowd) socket.destroy();
  await close();
});

test('an address that somebody listens at is refused, and free again after the close', async () => {
  const first = await open((socket) => socket.destroy());
  const second = new Doors(net.createServer());
  await expect(second.listen(first.address, false)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await first.close();
  const third = new Doors(net.createServer());
  expect(await third.listen(first.address, false)).toEqual(first.address);
  await new Promise<void>((resolve) => third.close(resolve));
});

test('a close waits for those who came in by any door', async () => {
  const inside: net.Socket[] = [];
  const arrived = Promise.withResolvers<void>();
  const { address, close } = await open((socket) => {
    inside.push(socket);
    if (inside.length === 32) arrived.resolve();
  });
  const outside = Array.from({ length: 32 }, () => net.connect(address));
  await arrived.promise;
  let isClosed = false;
  const closing = close().then(() => {
    isClosed = true;
  });
  const last = inside.pop();
  for (const socket of inside) socket.destroy();
  await hostTurn();
  expect(isClosed).toBe(false);
  last?.destroy();
  await closing;
  for (const socket of outside) socket.destroy();
});
