import { parseAddress, parseName } from '@ron/naming';
import { readInput, replyOptions } from './blobs.ts';
import type { Caller } from './caller.ts';
import type { CallOptions, NameRecord, Names } from './client.ts';
import { clientError } from './errors.ts';
import { blobReply } from './reply.ts';

export function createNames(caller: Caller): Names {
  const names: Names = {
    async set(name, address, options = {}) {
      const { ifVersion, expiresAtMs } = options;
      const { output } = await caller.call(
        'set_name',
        {
          name: parseName(name),
          address: parseAddress(address),
          ...precondition(ifVersion),
          ...(expiresAtMs === undefined ? {} : { expires_at: expiresAtMs }),
        },
        { ...options, mutation: true },
      );
      return output as unknown as NameRecord;
    },
    async resolve(name, options = {}) {
      const { output } = await caller.call(
        'resolve',
        { name: parseName(name), ...(options.fresh ? { fresh: true } : {}) },
        options,
      );
      return output as unknown as Awaited<ReturnType<Names['resolve']>>;
    },
    history: (name, options) => pages(caller, 'history', { path: `${parseName(name)}/history` }, 'records', options),
    list: (prefix, options) => pages(caller, 'list_names', prefix === undefined ? {} : { prefix }, 'names', options),
    async remove(name, options = {}) {
      const input = {
        name: parseName(name),
        ...(options.ifVersion === undefined ? {} : { if_match: `"${options.ifVersion}"` }),
      };
      await caller.call('remove_name', input, { ...options, mutation: true });
    },
    async rollback(name, version, options = {}) {
      const present = await names.resolve(name, { ...options, fresh: true });
      for await (const old of names.history(name, options)) {
        if (old.version === version) return names.set(name, old.address, { ...options, ifVersion: present.version });
      }
      throw clientError('not_found', `${name} has no version ${version} in its kept history`, {
        corrId: options.corrId ?? '',
      });
    },
    async get(path, options = {}) {
      const reply = await caller.call('view', { path, ...readInput(options) }, { ...options, streamed: true });
      const address = parseAddress(String(reply.output['address']));
      const location = reply.output['location'];
      return {
        ...blobReply(reply, replyOptions(address, options)),
        name: decodeURIComponent(String(reply.output['name'])),
        version: Number(reply.output['name_version']),
        ...(typeof location === 'string' ? { location } : {}),
      };
    },
  };
  return names;
}

function precondition(ifVersion: number | undefined): Record<string, string> {
  if (ifVersion === undefined) return {};
  return ifVersion === 0 ? { if_none_match: '*' } : { if_match: `"${ifVersion}"` };
}

async function* pages(
  caller: Caller,
  operation: string,
  input: Readonly<Record<string, unknown>>,
  field: string,
  options: CallOptions | undefined,
): AsyncGenerator<NameRecord> {
  let cursor: string | undefined;
  do {
    const { output } = await caller.call(operation, cursor === undefined ? input : { ...input, cursor }, options);
    yield* output[field] as NameRecord[];
    cursor = output['cursor'] as string | undefined;
  } while (cursor !== undefined);
}
