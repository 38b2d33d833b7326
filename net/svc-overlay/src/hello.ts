import { RonError } from '@ron/proto/errors';
import { type Hello, overlayLimits } from '@ron/proto/overlay';
import { fromBase64Url, toBase64Url } from '@ron/transport';
import type { ChannelProof, OverlayPorts } from './ports.ts';
import { isRecordCurrent, isRecordGenuine } from './records.ts';
import { helloStatement } from './statements.ts';

const nonceBytes = 16;

/** Our word over this channel; `nonce` is the caller's when it is an answer. */
export async function signHello(
  { signer, clock, random }: Pick<OverlayPorts, 'signer' | 'clock' | 'random'>,
  record: Hello['record'],
  channel: ChannelProof,
  nonce = toBase64Url(random.bytes(nonceBytes)),
): Promise<Hello> {
  const unsigned = { record, nonce, issued_at: clock.wallMs() };
  const { role, binding, peer } = channel;
  const signature = await signer.sign(helloStatement(unsigned, { role, binding, to: peer }));
  return { ...unsigned, signature: toBase64Url(signature) };
}

/**
 * Checks that who is at the other end of the channel says hello on it, now, and for itself. `nonce`: what an answer has to repeat.
 * @throws RonError `bad_request` with `details.reason`: `other_node`, `stale`, `nonce`, `signature` (which is also what a hello
 * of another channel, of the other role or for another node has).
 */
export function checkHello(
  ports: Pick<OverlayPorts, 'clock' | 'verify' | 'blake3' | 'signer'>,
  hello: Hello,
  channel: ChannelProof,
  nonce?: string,
): void {
  const { record, issued_at } = hello;
  const nowMs = ports.clock.wallMs();
  if (record.id !== channel.peer) throw refuse('other_node', 'the hello names another node than the channel proves');
  if (Math.abs(issued_at - nowMs) > overlayLimits.clockSkewMsMax || !isRecordCurrent(record, nowMs)) {
    throw refuse('stale', 'the hello was not made now: compare the clocks of the nodes');
  }
  if (nonce !== undefined && hello.nonce !== nonce) throw refuse('nonce', 'the answer belongs to another hello');
  if (record.left === true || !isRecordGenuine(ports, record)) throw refuse('signature', 'the record does not hold');
  const statement = helloStatement(hello, {
    role: channel.role === 'initiator' ? 'responder' : 'initiator',
    binding: channel.binding,
    to: ports.signer.id,
  });
  if (!ports.verify(fromBase64Url(record.public_key), statement, fromBase64Url(hello.signature))) {
    throw refuse('signature', 'the hello was not signed for this channel');
  }
}

function refuse(reason: string, message: string): RonError {
  return new RonError('bad_request', message, { details: { reason } });
}
