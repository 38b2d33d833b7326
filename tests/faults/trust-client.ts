import { fileURLToPath } from 'node:url';
import { run } from '../support/child-process.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { call, jsonOf, type Reply } from './client.ts';
import { must } from './scenario.ts';

const ron = fileURLToPath(new URL('../../apps/ron/bin/ron.js', import.meta.url));

type Node = Pick<NodeProcess, 'port' | 'capability'>;

export interface Issued {
  readonly capability: string;
  readonly capability_id: string;
}

interface Leaf {
  readonly op: string;
  readonly outcome: string;
  readonly fields: Readonly<Record<string, string>>;
}

export const post = (node: Node, path: string, body: unknown): Promise<Reply> =>
  call(node, 'POST', path, JSON.stringify(body));

export const issue = (node: Node, subject: string, scheme: 'hmac' | 'ed25519' = 'hmac'): Promise<Reply> =>
  post(node, '/passport/issue', { subject, rights: [{ methods: ['read'], prefix: '' }], ttl_s: 3_600, scheme });

export const issuedOf = (reply: Reply) => JSON.parse(reply.body.toString()) as Issued;

/** Whether a capability may read; throws for anything but yes and no. */
export async function mayRead(node: Node, capability: string, address: string): Promise<boolean> {
  const { status, body } = await call({ port: node.port, capability }, 'GET', `/o/${address}`);
  must(status === 200 || status === 401, `a capability is good or not: ${status} ${body}`);
  return status === 200;
}

export async function leavesOf(node: Node): Promise<readonly Leaf[]> {
  const { status, body } = await call(node, 'GET', '/audit/export');
  must(status === 200, `export: ${status} ${body}`);
  const lines = body.toString().trim().split('\n').slice(1);
  return lines.map((line) => (JSON.parse(line) as { entry: Leaf }).entry);
}

export async function logKey(node: Node): Promise<string> {
  return (jsonOf(await call(node, 'GET', '/audit/key')) as { keys: string[] }).keys[0]!;
}

/** `ron audit verify` of a stopped node's folder finds nothing. */
export async function verified(folder: string, key: string): Promise<void> {
  const args = [ron, 'audit', 'verify', `${folder}/audit`, '--key', key];
  const { code, stdout, stderr } = await run(process.execPath, args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  });
  must(code === 0, `the log verifies: ${code} ${stdout} ${stderr}`);
}
