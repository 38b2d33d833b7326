import { expect } from 'vitest';
import type { NodeProcess } from '../support/node-process.ts';
import { baseline } from './oracle.ts';
import { END, frame, gatewayApp, type HeardFrame, oneShot, payloadOf, type RawFrame, RawOap, RESP } from './raw-oap.ts';

interface Envelope {
  readonly code: string;
  readonly message: string;
  readonly corr_id: string;
  readonly details?: { readonly reason?: string };
}

export const envelopeIn = (heard: HeardFrame): Envelope => JSON.parse(heard.payload.toString()) as Envelope;

export const corrId = 'red-team-0001';

/** A request for the gateway; `body` is its input. */
export function request(capability: string, stream: number, op: string, body: string, more: RawFrame = {}): Buffer {
  const payload = payloadOf({ op, corr_id: corrId }, body);
  return frame({ flags: oneShot, app: gatewayApp, stream, capability, payload, ...more });
}

/** The peer says why, on stream 0, and closes. */
export async function expectViolation(
  node: NodeProcess,
  reason: string,
  attack: (client: RawOap) => void | Promise<void>,
  code = 'bad_request',
): Promise<void> {
  const before = await baseline(node);
  using client = new RawOap(node.oapPort);
  await attack(client);
  const goodbye = await client.next((heard) => heard.app === 0 && heard.stream === 0 && heard.code >= 400);
  expect(goodbye.flags).toBe(RESP | END);
  const envelope = envelopeIn(goodbye);
  expect([envelope.code, envelope.details?.reason]).toEqual([code, reason]);
  await client.end();
  await before.survived({ counted: reason, corrId: envelope.corr_id });
}

/** The stream is refused and the connection stays: the next request on it is served. */
export async function expectStreamRefusal(
  node: NodeProcess,
  code: string,
  attack: (client: RawOap) => void | Promise<void>,
  stream = 1,
): Promise<void> {
  const before = await baseline(node);
  using client = new RawOap(node.oapPort);
  await client.ready();
  await attack(client);
  const refusal = await client.answer(stream);
  const envelope = envelopeIn(refusal);
  expect(envelope.code).toBe(code);
  expect(envelope.corr_id).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
  client.say(request(node.capability, 1_000_000, 'whoami', '{}'));
  expect((await client.answer(1_000_000)).code).toBe(0);
  client[Symbol.dispose]();
  await before.survived({ counted: code, corrId: envelope.corr_id });
}
