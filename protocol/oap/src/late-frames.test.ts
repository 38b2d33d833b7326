import { RonError } from '@ron/proto/errors';
import { expect, test } from 'vitest';
import { limits } from './limits.ts';
import { Loopback } from './testing/loopback.ts';

const header = { op: 'do', corr_id: 'corr-0001' };
const body = new Uint8Array(500_000);

/** A request that is cancelled when half of the frame that `send` writes has arrived. */
function cancelledMidFrame(pair: Loopback, send: (streamId: number) => void, answered: boolean): void {
  const { opener, acceptor } = pair;
  const id = opener.connection.open({ app: 7, header });
  pair.pump();
  if (answered) acceptor.connection.answer(id, {});
  pair.pump();
  send(id);
  const bytes = acceptor.take();
  opener.connection.receive(bytes.subarray(0, bytes.byteLength >> 1));
  opener.connection.cancel(id);
  opener.connection.receive(bytes.subarray(bytes.byteLength >> 1));
  pair.pump();
}

test('an answer, an error or an event whose stream is cancelled while it arrives is dropped, and its credit returned', () => {
  const pair = new Loopback().start();
  const { connection } = pair.acceptor;
  const rounds = Math.ceil((2 * limits.connectionCreditBytes) / body.byteLength);
  for (let round = 0; round < rounds; round += 1) {
    cancelledMidFrame(pair, (id) => expect(connection.sendEvent(id, {}, body)).toBe(true), true);
    cancelledMidFrame(pair, (id) => connection.answer(id, { body }), false);
    cancelledMidFrame(pair, (id) => connection.fail(id, new RonError('not_found', 'no'), 'corr-0001'), false);
  }
  const { recorder } = pair.opener;
  expect([...recorder.of('event'), ...recorder.of('error'), ...recorder.of('closed')]).toEqual([]);
  expect(recorder.of('answer')).toHaveLength(rounds);
  expect(pair.opener.connection.liveStreams + connection.liveStreams).toBe(0);
});
