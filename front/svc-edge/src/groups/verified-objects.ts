import type { Env, HttpRequest, HttpResponse, Log, Metrics } from '@ron/kernel';
import { DiskTier } from '../tiers/disk-tier.ts';
import type { Dropped } from '../tiers/ram-tier.ts';
import { addressPath, credentialLines, wantsSlice } from './address-path.ts';
import { GroupCache } from './group-cache.ts';
import type { ObjectProof } from './object-proof.ts';
import { serveObject } from './serve-object.ts';
import type { GroupSource } from './source.ts';

export interface VerifiedObjectsOptions {
  readonly env: Pick<Env, 'clock' | 'disk' | 'random' | 'work'>;
  /** One, or several that are asked in this order. */
  readonly source: GroupSource | readonly GroupSource[];
  /** Of RAM, at least 4 MiB. */
  readonly bytesMax: number;
  /** A folder of `env.disk` for this alone, and how many bytes of it. */
  readonly disk?: { readonly folder: string; readonly bytesMax: number };
  readonly metrics?: Metrics;
  /** What fails for no reason that a client could know. */
  readonly log?: Log;
}

export interface VerifiedObjects extends AsyncDisposable {
  /**
   * Answers GET and HEAD of `/o/{address}`, in any spelling, `/get/{address}` and `/o/{address}.outboard` by RFC 9110,
   * from verified groups. Undefined when this is not its business: another path or method, a verified slice, or a request
   * with credentials, which what is kept for everybody must not answer.
   */
  handle(request: HttpRequest): Promise<HttpResponse> | undefined;
  /** What proves an object's groups, when it is in RAM. It says nothing about who may read the object. */
  proofOf(address: string): ObjectProof | undefined;
  /** Undefined: all. */
  purge(address: string | undefined): Dropped;
  gates(): readonly { readonly gate: string; readonly ok: boolean; readonly reason?: string }[];
  readonly usage: {
    readonly ramBytes: number;
    readonly ramEntries: number;
    readonly diskBytes: number;
    readonly diskEntries: number;
  };
}

/** Objects behind any source that need not be trusted. Rejects when the folder of the disk tier cannot be had. */
export async function createVerifiedObjects(options: VerifiedObjectsOptions): Promise<VerifiedObjects> {
  const { env, source, bytesMax, metrics, log } = options;
  const disk = options.disk === undefined ? undefined : await DiskTier.open({ env, ...options.disk, metrics });
  const sources = Array.isArray(source) ? (source as readonly GroupSource[]) : [source as GroupSource];
  const cache = new GroupCache({ env, sources, bytesMax, disk, metrics });
  return {
    handle(request) {
      const path = addressPath(request);
      if (path === undefined || credentialLines(request.headers).length > 0) return undefined;
      if (!path.isOutboard && wantsSlice(request.headers['accept'])) return undefined;
      return serveObject(cache, env, path, request, log);
    },
    proofOf(address) {
      const proof = cache.ram.proof(address);
      return proof?.sizeProven === true ? proof : undefined;
    },
    purge: (address) => cache.purge(address),
    gates: () => (disk === undefined ? [] : [disk.gate]),
    get usage() {
      const { ram } = cache;
      return {
        ramBytes: ram.bytes,
        ramEntries: ram.entries,
        diskBytes: disk?.bytes ?? 0,
        diskEntries: disk?.entries ?? 0,
      };
    },
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  };
}
