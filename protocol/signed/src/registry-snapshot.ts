import { canonicalJson, type JsonValue } from '@ron/naming';
import type { Descriptor, Snapshot } from '@ron/proto/registry';
import { registryLimits as limit } from '@ron/proto/registry-limits';
import { type ChainRefusal, refuseSnapshot } from './chain-refusal.ts';
import type { Signer } from './threshold.ts';

type Members = Readonly<Record<string, unknown>>;

const idPattern = /^(node|service|region)\/[a-z0-9][a-z0-9._:-]*(\/[a-z0-9][a-z0-9._:-]*){0,3}$/;
const labelPattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const keyPattern = /^[A-Za-z0-9_-]{1,2731}$/;
const namePattern = /^[A-Za-z0-9._:@/#-]{1,128}$/;
const addressPattern = /^b3:[0-9a-f]{64}$/;
const encoder = new TextEncoder();

/**
 * Reads a document as a registry snapshot. Strict, because what a reader overlooks, nobody has agreed to: unknown
 * members, unsorted lists and doubles are refused (`bad_request`, reason `malformed`), and so are a threshold that the
 * signers cannot reach and a signer that the document itself revokes.
 */
export function parseSnapshot(document: unknown): Snapshot {
  const all = 'descriptors,expires_at,issued_at,previous,revoked_signers,signers,threshold,type,version';
  const value = membersOf(document, all.replace('previous,', '').split(','), ['previous'], 'the snapshot');
  if (value['type'] !== 'ron-registry') malformed('the document is not a registry snapshot');
  const { version, previous, issued_at, expires_at, threshold } = value;
  if (!isCount(version) || version < 1) malformed('a version is an integer from 1');
  if ((version === 1) !== (previous === undefined)) malformed('every version but the first has a previous one');
  if (previous !== undefined) matching(previous, addressPattern, 'previous');
  if (!isCount(issued_at) || !isCount(expires_at) || expires_at <= issued_at)
    malformed('it expires after it is issued');
  if (expires_at - issued_at > limit.validityMaxMs) malformed('a snapshot is valid for at most 400 days');
  const signers = listOf(value['signers'], limit.signersMax, 'signers').map(parseSigner);
  sorted(
    signers.map(({ name }) => name),
    'signers',
  );
  if (new Set(signers.map(({ keys }) => keys.ed25519)).size !== signers.length) malformed('two signers have one key');
  if (!isCount(threshold) || threshold < 1 || threshold > signers.length) {
    malformed('the threshold is from 1 to the number of signers');
  }
  const descriptors = listOf(value['descriptors'], limit.descriptorsMax, 'descriptors').map(checkDescriptor);
  sorted(
    descriptors.map(({ id }) => id),
    'descriptors',
  );
  const revoked = listOf(value['revoked_signers'], limit.revokedMax, 'revoked_signers').map(checkRevoked);
  sorted(
    revoked.map(({ name }) => name),
    'revoked_signers',
  );
  const names = new Set(revoked.map(({ name }) => name));
  const keys = new Set(revoked.map(({ key }) => key));
  if (signers.some((signer) => names.has(signer.name) || keys.has(signer.keys.ed25519))) {
    malformed('a revoked signer is among the signers');
  }
  return document as Snapshot;
}

/** Checks one descriptor; the limits are those of the contract. */
export function checkDescriptor(given: unknown): Descriptor {
  const value = membersOf(given, ['id', 'kind'], ['endpoints', 'keys', 'region', 'meta'], 'a descriptor');
  if (matching(value['id'], idPattern, 'id').length > 160)
    malformed('the id of a descriptor has at most 160 characters');
  matching(value['kind'], labelPattern, 'kind');
  if (value['region'] !== undefined) matching(value['region'], labelPattern, 'region');
  if (value['endpoints'] !== undefined) {
    for (const endpoint of listOf(value['endpoints'], limit.endpointsMax, 'endpoints')) {
      if (typeof endpoint !== 'string' || endpoint.length < 1 || endpoint.length > 512)
        malformed('an endpoint is text');
    }
  }
  if (value['keys'] !== undefined) {
    const keys = Object.entries(membersOf(value['keys'], [], undefined, 'keys'));
    if (keys.length > limit.keysMax) malformed(`at most ${limit.keysMax} keys`);
    for (const [name, key] of keys) {
      matching(name, labelPattern, 'keys');
      matching(key, keyPattern, 'keys');
    }
  }
  if (value['meta'] !== undefined) checkMeta(membersOf(value['meta'], [], undefined, 'meta'));
  return given as Descriptor;
}

function checkMeta(meta: Members): void {
  if (Object.keys(meta).some((name) => name.length > 128)) malformed('a name in meta has at most 128 characters');
  const bytes = encoder.encode(canonicalJson(meta as JsonValue)).byteLength;
  if (bytes > limit.metaBytesMax) refuse('too_large', `meta has at most ${limit.metaBytesMax} bytes`);
}

function parseSigner(given: unknown): Signer {
  const value = membersOf(given, ['name', 'keys'], [], 'a signer');
  matching(value['name'], namePattern, 'name');
  const keys = membersOf(value['keys'], ['ed25519'], ['ml-dsa-65'], 'keys');
  matching(keys['ed25519'], /^[A-Za-z0-9_-]{43}$/, 'ed25519');
  if (keys['ml-dsa-65'] !== undefined) matching(keys['ml-dsa-65'], /^[A-Za-z0-9_-]{2603}$/, 'ml-dsa-65');
  return given as Signer;
}

function checkRevoked(given: unknown): Snapshot['revoked_signers'][number] {
  const value = membersOf(given, ['name', 'key'], [], 'a revoked signer');
  matching(value['name'], namePattern, 'name');
  matching(value['key'], /^[A-Za-z0-9_-]{43}$/, 'key');
  return given as Snapshot['revoked_signers'][number];
}

/** `optional` undefined: any other member may stand there. */
function membersOf(
  value: unknown,
  required: readonly string[],
  optional: readonly string[] | undefined,
  what: string,
): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return malformed(`${what} is an object`);
  const known = optional === undefined ? undefined : new Set([...required, ...optional]);
  if (required.some((name) => !Object.hasOwn(value, name))) malformed(`${what} lacks a member`);
  if (known !== undefined && Object.keys(value).some((name) => !known.has(name))) {
    malformed(`${what} has an unknown member`);
  }
  return value as Members;
}

function listOf(value: unknown, max: number, what: string): readonly unknown[] {
  if (!Array.isArray(value)) return malformed(`${what} is a list`);
  if (value.length > max) refuse('too_large', `at most ${max} ${what}`);
  return value;
}

function matching(value: unknown, pattern: RegExp, what: string): string {
  if (typeof value !== 'string' || !pattern.test(value)) return malformed(`${what} is malformed`);
  return value;
}

function sorted(keys: readonly string[], what: string): void {
  // UTF-16 code units, as canonical JSON sorts; equal neighbours are doubles.
  if (keys.some((key, index) => index > 0 && keys[index - 1]! >= key)) malformed(`${what} are sorted, each once`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function malformed(message: string): never {
  return refuse('malformed', message);
}

function refuse(reason: ChainRefusal, message: string): never {
  throw refuseSnapshot(reason, message);
}
