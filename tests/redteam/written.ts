import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Decrypter } from 'age-encryption';
import type { NodeProcess } from '../support/node-process.ts';
import { type Haystack, type Needle, needle } from './canaries.ts';
import { filesBelow } from './folder-state.ts';

/** The private keys themselves, learnt as only who has the identity file can. */
export async function privateKeys(data: string): Promise<Needle[]> {
  const identity = readFileSync(join(data, 'keys/identity.txt'), 'utf8')
    .split('\n')
    .find((line) => line.startsWith('AGE-'))!;
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const text = await decrypter.decrypt(readFileSync(join(data, 'keys/keystore.age')), 'text');
  const { keys } = JSON.parse(text) as { keys: { kid: string; secret: string }[] };
  const secrets = keys.map(({ kid, secret }) => needle(`the private key ${kid}`, Buffer.from(secret, 'base64url')));
  return [...secrets, needle('the identity', identity.slice(16, 48))];
}

/** What the node says to whoever may ask everything. */
export async function pagesOf(node: NodeProcess): Promise<Haystack[]> {
  const targets = [
    '/metrics',
    '/readyz',
    '/healthz',
    '/livez',
    '/version',
    '/openapi.json',
    '/passport/keys',
    '/passport/subjects',
  ];
  const audit = [
    '/audit/export',
    '/audit/checkpoint',
    '/audit/key',
    '/audit/tail?from=0&limit=256',
    '/audit/tile/entries/000',
    '/audit/tile/0/000',
  ];
  const trust = ['/kms/keys', '/policy/hash', '/registry/head', '/registry/1', '/passport/revocations'];
  return await Promise.all(
    [...targets, ...audit, ...trust].map(async (target) => {
      const reply = await fetch(`${node.url}${target}`, {
        headers: { authorization: `Bearer ${node.capability}`, connection: 'close' },
      });
      const head = Buffer.from(JSON.stringify([...reply.headers]));
      return { where: target, bytes: Buffer.concat([head, Buffer.from(await reply.arrayBuffer())]) };
    }),
  );
}

/** What the node has written, without `keys/` and what it printed for its owner at the start. */
export function writtenBy(node: NodeProcess, data: string, bannerEnd: number): Haystack[] {
  const files = filesBelow(data).filter((path) => !path.startsWith('keys/'));
  const process = (name: string) => ({ where: `/proc/…/${name}`, bytes: readFileSync(`/proc/${node.pid}/${name}`) });
  return [
    { where: 'standard output', bytes: Buffer.from(node.stdout().slice(bannerEnd)) },
    { where: 'standard error', bytes: Buffer.from(node.stderr()) },
    ...files.map((path) => ({ where: path, bytes: readFileSync(join(data, path)) })),
    ...(existsSync(`/proc/${node.pid}/environ`) ? [process('environ'), process('cmdline')] : []),
  ];
}
