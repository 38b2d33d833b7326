import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { hash } from '@ron/b3';
import { createProof } from '@ron/cap';
import type { Right } from '@ron/proto/capability';
import { expect } from 'vitest';
import type { NodeProcess } from '../support/node-process.ts';
import { corrId, envelopeIn, request } from './oap-attack.ts';
import { baseline, type Expected, expectRefusal } from './oracle.ts';
import { verdictOf, verdictOnOap } from './polite.ts';
import { ask, type RawReply } from './raw-http.ts';
import { type HeardFrame, payloadOf, RawOap } from './raw-oap.ts';
import { eventually, metricsOf } from './signs.ts';

export interface Passport {
  readonly capability: string;
  readonly capability_id: string;
  readonly refresh_token: string;
  readonly family: string;
  readonly subject: string;
  readonly expires_at: number;
}

export interface CallParts {
  /** Absent: the owner's. Empty: none. */
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

type Target = Pick<NodeProcess, 'port' | 'capability'>;

/** Of the passport service on OAP/1. */
export const passportApp = 0x0402;
export const everything: readonly Right[] = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }];

/** Answered once the node looked at the token: see `verdictOf`. */
export function call(node: Target, method: string, target: string, parts: CallParts = {}): Promise<RawReply> {
  const { token = node.capability, body, headers } = parts;
  const request = {
    method,
    target,
    headers: { ...(token === '' ? {} : { Authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  };
  return verdictOf(() => ask(node.port, request));
}

export const post = (node: Target, target: string, body: unknown, parts: CallParts = {}) =>
  call(node, 'POST', target, { ...parts, body });

/** The answer of a call that must have gone well. */
export async function ok<T>(reply: Promise<RawReply>): Promise<T> {
  const { status, body } = await reply;
  if (status !== 200 && status !== 201) throw new Error(`${status} ${body.toString()}`);
  return JSON.parse(body.toString()) as T;
}

export const issue = (node: Target, request: object, token?: string) =>
  ok<Passport>(
    post(
      node,
      '/passport/issue',
      { subject: 'alice', rights: everything, ttl_s: 600, ...request },
      token === undefined ? {} : { token },
    ),
  );

/** One request over OAP/1, with the proof where there is one. */
export async function onOap(
  node: NodeProcess,
  parts: {
    readonly token: string;
    readonly op: string;
    readonly body: unknown;
    readonly app?: number;
    readonly proof?: string;
  },
): Promise<HeardFrame> {
  const { token, op, body, app, proof } = parts;
  const payload = payloadOf({ op, corr_id: corrId, ...(proof === undefined ? {} : { proof }) }, JSON.stringify(body));
  return await verdictOnOap(async () => {
    using client = await new RawOap(node.oapPort).ready();
    client.say(request(token, 1, op, '', { payload, ...(app === undefined ? {} : { app }) }));
    return await client.answer(1);
  });
}

const refusedFor = async (node: NodeProcess, reason: string) =>
  (await metricsOf(node.port)).get(`capability_refused_total{reason="${reason}"}`) ?? 0;

const unauthenticated: Expected = { status: 401, code: 'unauthenticated' };

/** The token is refused for reading and writing, over HTTP and OAP/1, and counted each time by its reason. */
export async function expectRefusedEverywhere(
  node: NodeProcess,
  token: string,
  reason: string,
  address: string,
): Promise<void> {
  const before = await refusedFor(node, reason);
  const reply = await expectRefusal(node, unauthenticated, () => call(node, 'GET', `/o/${address}`, { token }));
  expect(reply.headers['www-authenticate']).toBe('Bearer');
  await expectRefusal(node, unauthenticated, () => call(node, 'PUT', '/put', { token, body: 'never stored' }));
  const calm = await baseline(node);
  expect(envelopeIn(await onOap(node, { token, op: 'get', body: { address } })).code).toBe('unauthenticated');
  await calm.survived({ counted: 'unauthenticated' });
  expect(`${reason} ${(await refusedFor(node, reason)) - before}`).toBe(`${reason} 3`);
}

/** Somebody with an Ed25519 key. */
export interface Holder {
  readonly privateKey: KeyObject;
  /** Raw, base64url. */
  readonly publicKey: string;
  proof(token: string, request: string, shiftMs?: number): Promise<string>;
}

export function createHolder(): Holder {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey,
    publicKey: publicKey.export({ format: 'jwk' }).x!,
    proof: (token, request, shiftMs = 0) =>
      createProof({
        token,
        request,
        nowMs: Date.now() + shiftMs,
        nonce: crypto.getRandomValues(new Uint8Array(16)),
        sign: (message) => sign(null, message, privateKey),
        blake3: hash,
      }),
  };
}

interface Leaf {
  readonly op: string;
  readonly outcome: string;
  readonly corr_id: string;
  readonly reason?: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** The entry of one call. That of a refusal may come a moment after the answer, which does not wait for it. */
export async function leafOf(node: Target, corrId: string): Promise<Leaf> {
  let leaf: Leaf | undefined;
  const isThere = async () => {
    leaf = (await leavesOf(node)).findLast(({ corr_id }) => corr_id === corrId);
    return leaf !== undefined;
  };
  await eventually(isThere, { what: `the log has an entry of ${corrId}` });
  return leaf!;
}

/** Every entry of the audit log so far. */
export async function leavesOf(node: Target): Promise<readonly Leaf[]> {
  const reply = await fetch(`http://127.0.0.1:${node.port}/audit/export`, {
    headers: { authorization: `Bearer ${node.capability}`, connection: 'close' },
  });
  const text = await reply.text();
  if (reply.status !== 200) throw new Error(`export: ${reply.status} ${text}`);
  const lines = text.trim().split('\n').slice(1);
  return lines.map((line) => (JSON.parse(line) as { entry: Leaf }).entry);
}
