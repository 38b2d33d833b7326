import { expect } from 'vitest';
import { type NodeProcess, openDescriptors } from '../support/node-process.ts';
import { politely, verdictOf } from './polite.ts';
import { ask, type RawReply } from './raw-http.ts';
import {
  envelopeOf,
  eventually,
  inflightOf,
  metricsOf,
  oneLineEach,
  payloadMark,
  refusalLines,
  refusalsOf,
} from './signs.ts';

export interface Expected {
  readonly status: number;
  readonly code: string;
  /** False where the protocol gives no way to say so. */
  readonly envelope?: boolean;
  /** Value of `reason` or `code` in the counter that must have gone up; the code by default. */
  readonly counted?: string;
}

/** Runs an attack that ends in a refusal, and then checks everything that must hold after every attack. */
export async function expectRefusal(
  node: NodeProcess,
  expected: Expected,
  attack: () => Promise<RawReply>,
): Promise<RawReply> {
  const before = await baseline(node);
  const reply = await verdictOf(attack);
  expect({ status: reply.status, body: reply.status === expected.status ? '' : reply.body.toString() }).toEqual({
    status: expected.status,
    body: '',
  });
  if (expected.envelope !== false) {
    const envelope = envelopeOf(reply);
    expect(envelope.code).toBe(expected.code);
    expect(envelope.corr_id).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
    expect(reply.headers['x-corr-id']).toBe(envelope.corr_id);
    expect(reply.body.toString()).not.toContain(payloadMark);
    await before.survived({ counted: expected.counted ?? expected.code, corrId: envelope.corr_id });
  } else await before.survived({ counted: expected.counted ?? expected.code });
  return reply;
}

export interface Survival {
  /** `reason` or `code` of the counter that must have gone up; undefined: nothing was refused. */
  readonly counted?: string;
  /** Exactly one log line of each service that the call went through must have it. */
  readonly corrId?: string;
}

export interface Baseline {
  survived(survival?: Survival): Promise<void>;
}

/** What the node looks like before an attack. `survived` is the oracle after it. */
export async function baseline(node: NodeProcess): Promise<Baseline> {
  await isServed(node);
  const samples = await metricsOf(node.port);
  const descriptors = openDescriptors(node.pid);
  const logged = node.stderr().length;
  return {
    async survived({ counted, corrId } = {}) {
      expect(node.alive).toBe(true);
      await isServed(node);
      if (counted !== undefined) {
        await eventually(async () => refusalsOf(await metricsOf(node.port), counted) > refusalsOf(samples, counted), {
          what: `a counter with "${counted}" goes up`,
        });
      }
      await eventually(async () => inflightOf(await metricsOf(node.port)) === 0, { what: 'nothing is in flight' });
      if (descriptors !== undefined) {
        await eventually(() => openDescriptors(node.pid)! <= descriptors, {
          what: `at most ${descriptors} descriptors`,
          seen: () => openDescriptors(node.pid),
        });
      }
      const log = () => node.stderr().slice(logged);
      if (corrId !== undefined) {
        const lines = () => refusalLines(log(), corrId);
        await eventually(() => oneLineEach(lines()), {
          what: `one log line of each service with ${corrId}`,
          seen: lines,
        });
      }
      expect(log()).not.toContain(payloadMark);
      expect(log()).not.toContain(node.capability);
    },
  };
}

/** A well-behaved client. */
export async function isServed(node: NodeProcess): Promise<void> {
  const headers = { Authorization: `Bearer ${node.capability}` };
  const put = await politely(() => ask(node.port, { method: 'PUT', target: '/put', headers, body: 'a good client' }));
  expect([200, 201]).toContain(put.status);
  const { address } = JSON.parse(put.body.toString()) as { address: string };
  const got = await politely(() => ask(node.port, { target: `/o/${address}`, headers }));
  expect(got.body.toString()).toBe('a good client');
}
