import type { Contact } from '@ron/proto/network';
import { storageContract } from '@ron/proto/storage';
import { emptyBody } from '@ron/proto/stream';
import type { StorageReads } from '@ron/svc-edge/service';
import type { NodeLinks } from '@ron/transport';

/** Until an answer begins; its bytes are judged by their progress. */
const answerMs = 10_000;

/** The storage of another node, as far as it lets this one read. */
export function peerStorage(links: NodeLinks, to: Contact): StorageReads {
  return {
    async get(input, { context } = {}) {
      const { output, body = emptyBody } = await links.call(storageContract, to, 'get', input, callOf(context?.signal));
      return { output, body };
    },
    async outboard(input, { context } = {}) {
      const options = callOf(context?.signal);
      const { output, body = emptyBody } = await links.call(storageContract, to, 'outboard', input, options);
      return { output, body };
    },
    async stat(input, { context } = {}) {
      return (await links.call(storageContract, to, 'stat', input, callOf(context?.signal))).output;
    },
  };
}

function callOf(signal: AbortSignal | undefined) {
  return { timeoutMs: answerMs, ...(signal === undefined ? {} : { signal }) };
}
