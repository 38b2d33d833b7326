import { parseAddress, parseName } from '@ron/naming';
import type { AuditLog, Receipted, ReceiptOption } from './audit.ts';
import { replyOptions } from './blobs.ts';
import type { Caller } from './caller.ts';
import type { CallOptions, NameRecord, Names } from './client.ts';
import { clientError } from './errors.ts';
import { blobReply } from './reply.ts';
import { type Ask, openRead } from './resumption.ts';
import type { TransportReply } from './transport.ts';

export function createNames(caller: Caller, audit: () => Promise<AuditLog>): Names {
  /** Changes one name, and proves it where that is asked for. */
  const change = async (
    operation: string,
    input: Readonly<Record<string, unknown>> & { readonly name: string; readonly address?: string },
    options: CallOptions & ReceiptOption,
  ): Promise<object> => {
    const { receipt: wanted, ...call } = options;
    if (!wanted) return (await caller.call(operation, input, { ...call, mutation: true })).output;
    const { name, address } = input;
    const expected = { resource: `n/${name}`, fields: { name, ...(address === undefined ? {} : { address }) } };
    const { output, verified } = await (await audit()).receipted(operation, input, expected, call);
    return { ...output, receipt: verified };
  };
  const names: Names = {
    async set(name: string, address: string, options: SetOptions = {}) {
      const { ifVersion, expiresAtMs, ...call } = options;
      const input = {
        name: parseName(name),
        address: parseAddress(address),
        ...precondition(ifVersion),
        ...(expiresAtMs === undefined ? {} : { expires_at: expiresAtMs }),
      };
      return (await change('set_name', input, call)) as NameRecord & Receipted;
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
    async remove(name: string, { ifVersion, ...call }: RemoveOptions = {}) {
      const input = {
        name: parseName(name),
        ...(ifVersion === undefined ? {} : { if_match: `"${ifVersion}"` }),
      };
      const { receipt } = (await change('remove_name', input, call)) as Receipted;
      return receipt === undefined ? ({} as Receipted) : { receipt };
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
      const view: Ask = (fields, call) => caller.call('view', { path, ...fields }, { ...call, streamed: true });
      const read = await openRead(caller, options, view, (first) => sameContent(caller, view, first));
      const { reply } = read;
      const address = parseAddress(String(reply.output['address']));
      const location = reply.output['location'];
      return {
        ...blobReply(reply, replyOptions(address, options, read)),
        name: decodeURIComponent(String(reply.output['name'])),
        version: Number(reply.output['name_version']),
        ...(typeof location === 'string' ? { location } : {}),
      };
    },
  };
  return names;
}

/** The name may have moved on since: what was begun is then finished by its address. */
function sameContent(caller: Caller, view: Ask, first: TransportReply): Ask {
  const { address } = first.output;
  return async (fields, call) => {
    const reply = await view(fields, call);
    if (reply.output['address'] === address) return reply;
    for await (const _piece of reply.body ?? []) break;
    return caller.call('get', { address, ...fields }, { ...call, streamed: true });
  };
}

type SetOptions = CallOptions & ReceiptOption & { ifVersion?: number; expiresAtMs?: number };
type RemoveOptions = CallOptions & ReceiptOption & { ifVersion?: number };

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
