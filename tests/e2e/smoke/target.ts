import { blake3 } from '@noble/hashes/blake3.js';
import type { RonClient } from '@ron/app-sdk';
import type { NodeProcess } from '../../support/node-process.ts';

/** What the checks of one profile work on. */
export interface Target {
  readonly node: NodeProcess;
  /** The owner's. */
  readonly client: RonClient;
  readonly durability: 'memory' | 'fsync';
  /** What answers HTTP, as `/version` names it. */
  readonly listener: 'micronode' | 'omnigate';
}

/** A plain HTTP request with the owner's capability. */
export function plain({ node }: Target, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${node.capability}`, ...(init.headers as Record<string, string>) };
  return fetch(node.url + path, { redirect: 'manual', signal: AbortSignal.timeout(60_000), ...init, headers });
}

/** The address by an implementation that is not ours. */
export function addressOf(bytes: Uint8Array): string {
  return `b3:${Buffer.from(blake3(bytes)).toString('hex')}`;
}

export async function bytesOf(response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer());
}

/** The code of an error envelope, after checking that it is one. */
export async function codeOf(response: Response): Promise<string> {
  const envelope = (await response.json()) as Record<string, unknown>;
  for (const field of ['code', 'message', 'retryable', 'corr_id']) {
    if (!(field in envelope)) throw new Error(`no ${field} in the envelope of ${response.status}`);
  }
  if (envelope['corr_id'] !== response.headers.get('x-corr-id')) throw new Error('corr_id differs from X-Corr-ID');
  return `${response.status} ${envelope['code']}`;
}
