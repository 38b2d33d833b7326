import { SLICE_MEDIA_TYPE } from '@ron/b3';
import type { Env, HttpClient, HttpRequest, HttpResponse } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { corrIdOf } from '@ron/service';
import { addressPath, credentialLines, wantsSlice } from '../groups/address-path.ts';
import { FetchGate } from '../groups/fetch-gate.ts';
import { GroupCache } from '../groups/group-cache.ts';
import type { ObjectProof } from '../groups/object-proof.ts';
import { refusal, serveObject } from '../groups/serve-object.ts';
import type { VerifiedObjects } from '../groups/verified-objects.ts';
import { formatCacheStatus } from '../rules/cache-status.ts';
import { createGatewaySource } from '../sources/http-source.ts';
import { type Dropped, RamTier } from '../tiers/ram-tier.ts';

/** What an exchange with credentials may hold: a run of groups, and one that is being sent. */
const ownBytesMax = 4 * 1024 * 1024;
/** Of outboards that came with somebody's credentials; the next who is let in needs them too, and they say nothing else. */
const ownProofsBytesMax = 16 * 1024 * 1024;

type Answer = HttpResponse | Promise<HttpResponse>;

export interface ObjectReads {
  readonly env: Pick<Env, 'clock' | 'random' | 'work'>;
  readonly client: HttpClient;
  readonly objects: Pick<VerifiedObjects, 'handle' | 'proofOf' | 'purge' | 'usage'>;
}

/** How a request is answered that is for the HTTP cache. */
export interface PassThrough {
  pass(): Answer;
  /** Whatever is stored of it. */
  forget(): void;
}

export interface ObjectReader {
  /**
   * Addresses in every spelling, from verified groups, so that an origin that lies is an error and never an answer. With
   * credentials the origin is asked for this client alone and nothing of the object is kept. Slices prove themselves: they
   * pass when they are slices. Undefined for all else.
   */
  read(request: HttpRequest, otherwise: PassThrough): Answer | undefined;
  /** Undefined: all. */
  purge(address: string | undefined): Dropped;
  readonly usage: VerifiedObjects['usage'];
}

export function createObjectReader({ env, client, objects }: ObjectReads): ObjectReader {
  const gate = new FetchGate();
  const proofs = new RamTier({ bytesMax: ownProofsBytesMax, onEvict: () => undefined });
  // A proof is of use to whoever the origin has let in: it is asked with this client's credentials before.
  const proofOf = (address: string): ObjectProof | undefined => objects.proofOf(address) ?? proofs.proof(address);
  return {
    read(request, otherwise) {
      const path = addressPath(request);
      if (path === undefined) return undefined;
      const { headers } = request;
      if (!path.isOutboard && wantsSlice(headers['accept'])) return sliceOnly(env, request, otherwise);
      const credentials = credentialLines(headers);
      if (credentials.length === 0) return objects.handle(request);
      const cache = new GroupCache({
        env,
        gate,
        proofOf,
        sources: [createGatewaySource({ client, credentials })],
        bytesMax: ownBytesMax,
        onProof: (proof) => proofs.addProof(proof),
      });
      return serveObject(cache, env, path, request).then(asPrivate);
    },
    purge(address) {
      if (address === undefined) proofs.purgeAll();
      else proofs.purge(address);
      return objects.purge(address);
    },
    get usage() {
      return objects.usage;
    },
  };
}

/** What is no slice has no business under an address: it would be bytes that nobody checks. */
async function sliceOnly(
  env: ObjectReads['env'],
  request: HttpRequest,
  { pass, forget }: PassThrough,
): Promise<HttpResponse> {
  const response = await pass();
  const { status, headers, body } = response;
  const type = String(headers['content-type'] ?? '').split(';', 1)[0]!;
  if (status >= 300 || type.trim().toLowerCase() === SLICE_MEDIA_TYPE) return response;
  if (body !== undefined && !(body instanceof Uint8Array)) await body[Symbol.asyncIterator]().return?.();
  forget();
  const error = new RonError('integrity', 'the origin sent something else than the slice that was asked for');
  return refusal(error, corrIdOf(request.headers['x-corr-id'], env));
}

function asPrivate(response: HttpResponse): HttpResponse {
  const { headers } = response;
  if (headers['x-cache'] !== 'HIT') headers['cache-status'] = formatCacheStatus({ forward: 'bypass' }, undefined);
  if (headers['etag'] === undefined) return response;
  return { ...response, headers: { ...headers, 'cache-control': 'private, max-age=31536000, immutable' } };
}
