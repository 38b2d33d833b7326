import { type Static, Type } from 'typebox';
import type { Operation } from './contract.ts';
import { Address, Bytes, Durability, DurationMs, strict, TimeMs } from './fields.ts';
import { Contact } from './network.ts';

/**
 * How nodes exchange objects (docs/specs/exchange.md). A group is 64 KiB of an object and proves itself against the
 * address, so nothing here needs trust in who sent it.
 */

/** Addresses in one question. */
export const haveAddressesMax = 1_000;

/** Groups that one bitmap shows: 8 KiB of bits, 4 GiB of an object. */
export const windowGroupsMax = 65_536;

/** Bitmaps in one answer; partial objects beyond them are told without, and can be asked for again with fewer addresses. */
export const bitmapsMax = 16;

/** Ranges and groups of one WANT: 64 MiB. */
export const wantRangesMax = 64;
export const wantGroupsMax = 1_024;

/**
 * Index past every group: asking for it gives the last group of the object, which proves where the object ends
 * (verified-bytes.md, rule 1 of section 4). Its byte position is the last multiple of 65,536 under 2^53.
 */
export const groupPastEnd = 2 ** 37 - 1;

/** Nodes that the one who asks for a copy may name to take it from. */
export const placeSourcesMax = 8;

/** A copy is asked for again before it ends: 30 days at most. */
export const placeTtlMsMax = 30 * 24 * 3_600_000;

const GroupIndex = Type.Integer({ minimum: 0, maximum: groupPastEnd });

export const GroupRun = Type.Object(
  { first: GroupIndex, count: Type.Integer({ minimum: 1, maximum: wantGroupsMax }) },
  strict,
);
export type GroupRun = Static<typeof GroupRun>;

export const HaveInput = Type.Object(
  {
    addresses: Type.Array(Address, { minItems: 1, maxItems: haveAddressesMax }),
    window_first: Type.Optional(
      Type.Integer({ minimum: 0, maximum: groupPastEnd, description: 'first group that bitmaps show; default 0' }),
    ),
  },
  strict,
);

/** What a node has of one object. Without `groups`: all of it when `complete`, else some of it. */
export const Held = Type.Object(
  {
    address: Address,
    size: Bytes,
    complete: Type.Boolean(),
    groups: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_-]*$',
        maxLength: 10_923,
        description: 'base64url bitmap from `window_first` on, lowest bit first; at most 65,536 groups',
      }),
    ),
  },
  strict,
);
export type Held = Static<typeof Held>;

/** Addresses that are not here, and those that the asking node may not read, are left out alike. */
export const HaveOutput = Type.Object({ held: Type.Array(Held, { maxItems: haveAddressesMax }) }, strict);

export const WantInput = Type.Object(
  { address: Address, ranges: Type.Array(GroupRun, { minItems: 1, maxItems: wantRangesMax }) },
  strict,
);
export const WantOutput = Type.Object({ address: Address, size: Bytes }, strict);

export const OutboardInput = Type.Object({ address: Address }, strict);
export const OutboardOutput = Type.Object({ address: Address, size: Bytes }, strict);

const Nonce = Type.String({ pattern: '^[0-9a-f]{64}$', description: '32 random bytes of who asks' });

export const ChallengeInput = Type.Object({ address: Address, group: GroupIndex, nonce: Nonce }, strict);
export const ChallengeOutput = Type.Object(
  {
    proof: Type.String({
      pattern: '^[A-Za-z0-9_-]*$',
      maxLength: 5_200,
      description: 'base64url: slice at 1 KiB of the chunk that the nonce chooses',
    }),
    tag: Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: 'over the nonce, the answering node and the whole group',
    }),
  },
  strict,
);

export const PlaceInput = Type.Object(
  {
    address: Address,
    size: Bytes,
    durability: Durability,
    ttl_ms: Type.Integer({ minimum: 60_000, maximum: placeTtlMsMax }),
    sources: Type.Array(Contact, { minItems: 1, maxItems: placeSourcesMax }),
  },
  strict,
);

/** Why not; `busy` and `no_space` may be otherwise later. `no_source`: none of those named gave it. */
export const PlaceRefusal = Type.Union([
  Type.Literal('no_space'),
  Type.Literal('too_large'),
  Type.Literal('not_allowed'),
  Type.Literal('durability'),
  Type.Literal('busy'),
  Type.Literal('no_source'),
]);
export type PlaceRefusal = Static<typeof PlaceRefusal>;

export const PlaceOutput = Type.Object(
  {
    state: Type.Union([Type.Literal('held'), Type.Literal('fetching'), Type.Literal('refused')]),
    reason: Type.Optional(PlaceRefusal),
    expires_at: Type.Optional(TimeMs),
    retry_after_ms: Type.Optional(DurationMs),
    free_bytes: Bytes,
  },
  strict,
);
export type PlaceOutput = Static<typeof PlaceOutput>;

export const ReleaseInput = Type.Object({ address: Address }, strict);
export const ReleaseOutput = Type.Object({ released: Type.Boolean() }, strict);

const reads = [{ method: 'read', resource: 'net/overlay' }] as const;
const writes = [{ method: 'write', resource: 'net/overlay' }] as const;

/**
 * Operations of the contract of the overlay. Who asks is the node that the channel proves; what it may read and how much
 * it may ask for is the serving node's to say, so no capability is needed or helps.
 */
export const exchangeOperations = {
  have: {
    summary: 'Which of up to 1,000 objects are here, and which groups of those that are not whole',
    input: HaveInput,
    output: HaveOutput,
    errors: [],
    scopes: reads,
  },
  want: {
    summary: 'Slices of runs of 64 KiB groups, one after the other in the order asked for; each proves itself',
    input: WantInput,
    output: WantOutput,
    errors: ['not_found', 'integrity'],
    scopes: reads,
    body: 'out',
  },
  outboard: {
    summary:
      'The parents above the 64 KiB groups of an object that is whole here; they prove themselves, but not the size',
    input: OutboardInput,
    output: OutboardOutput,
    errors: ['not_found', 'integrity'],
    scopes: reads,
    body: 'out',
  },
  challenge: {
    summary: 'Prove possession of a group: a chunk of it that the nonce chooses, with its path to the address',
    input: ChallengeInput,
    output: ChallengeOutput,
    errors: ['not_found', 'integrity'],
    scopes: reads,
  },
  place: {
    summary: 'Ask this node to keep a copy of an object for a time; it fetches the bytes itself. Asking again renews',
    input: PlaceInput,
    output: PlaceOutput,
    errors: [],
    scopes: writes,
    mutation: true,
  },
  release: {
    summary: 'The copy that the asking node had placed here is not wanted any more; copies of others stay',
    input: ReleaseInput,
    output: ReleaseOutput,
    errors: [],
    scopes: writes,
    mutation: true,
    frees: true,
  },
} as const satisfies Readonly<Record<string, Operation>>;
