import { parseAddress } from '@ron/naming';
import type { Caller } from './caller.ts';
import type { CallOptions, NodeCalls } from './client.ts';

export function createNodeCalls(caller: Caller): NodeCalls {
  const admin = async (operation: string, input: object, options?: CallOptions, mutation = false) => {
    const { output } = await caller.call(operation, input as Record<string, unknown>, { ...options, mutation });
    return output;
  };
  const opsJson = async (path: string, options?: CallOptions) => JSON.parse(await caller.ops(path, options));
  return {
    readiness: (options) => opsJson('/readyz', options),
    version: (options) => opsJson('/version', options),
    metrics: (options) => caller.ops('/metrics', options),
    why: (address, options) => admin('why', { address: parseAddress(address) }, options),
    traceName: (path, options) => admin('trace_name', { path }, options),
    collect: (options = {}) => {
      const input = options.dryRun === undefined ? {} : { dry_run: options.dryRun };
      return admin('collect', input, { timeoutMs: 600_000, ...options }, true);
    },
    undelete: (address, options) => admin('undelete', { address: parseAddress(address) }, options, true),
    scrub: (action, options = {}) => {
      const pace = options.bytesPerSecond === undefined ? {} : { bytes_per_second: options.bytesPerSecond };
      return admin('scrub', { action, ...pace }, options);
    },
    usage: (options) => admin('usage', {}, options),
  };
}
