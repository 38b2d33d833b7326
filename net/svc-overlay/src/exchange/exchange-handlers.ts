import type { Clock } from '@ron/kernel';
import type { CallContext } from '@ron/proto/contract';
import type { exchangeOperations, PlaceOutput } from '@ron/proto/exchange';
import type { NodeId } from '@ron/proto/network';
import type { Static } from 'typebox';
import { challenge } from './handlers/challenge.ts';
import { have } from './handlers/have.ts';
import { outboard } from './handlers/outboard.ts';
import { place } from './handlers/place.ts';
import { release } from './handlers/release.ts';
import { type BodyReply, want } from './handlers/want.ts';
import { PeerCeilings } from './peer-ceilings.ts';
import type { Placements } from './placements.ts';
import { type Blobs, type MaySend, type ServeLimits, serveLimitsDefault } from './serve-ports.ts';

export interface ExchangePorts {
  /** This node's id: proofs of possession are bound to it. */
  readonly self: NodeId;
  readonly clock: Clock;
  readonly blobs: Blobs;
  readonly maySend: MaySend;
  readonly placements: Placements;
  /** Asked for at each call; what is not in it is as by default. */
  readonly limits?: () => Partial<ServeLimits>;
}

export interface ExchangeContext extends Omit<ExchangePorts, 'limits'> {
  readonly limits: () => ServeLimits;
  readonly ceilings: PeerCeilings;
}

type Operations = typeof exchangeOperations;
type Input<K extends keyof Operations> = Static<Operations[K]['input']>;
type Output<K extends keyof Operations> = Static<Operations[K]['output']>;

/** The operations of an exchange as other nodes call them: `from` is the id that the channel proved, `call` their call. */
export interface ExchangeHandlers {
  have(input: Input<'have'>, from: NodeId, call?: CallContext): Promise<Output<'have'>>;
  want(input: Input<'want'>, from: NodeId, call?: CallContext): Promise<BodyReply>;
  outboard(input: Input<'outboard'>, from: NodeId, call?: CallContext): Promise<BodyReply>;
  challenge(input: Input<'challenge'>, from: NodeId, call?: CallContext): Promise<Output<'challenge'>>;
  place(input: Input<'place'>, from: NodeId): Promise<PlaceOutput>;
  release(input: Input<'release'>, from: NodeId): Promise<Output<'release'>>;
}

/** Inputs are those that the contract's schemas accepted. */
export function createExchangeHandlers(ports: ExchangePorts): ExchangeHandlers {
  const limits = () => ({ ...serveLimitsDefault, ...ports.limits?.() });
  const context: ExchangeContext = { ...ports, limits, ceilings: new PeerCeilings(ports.clock, limits) };
  return {
    have: (input, from, call) => have(context, input, from, call),
    want: (input, from, call) => want(context, input, from, call),
    outboard: (input, from, call) => outboard(context, input, from, call),
    challenge: (input, from, call) => challenge(context, input, from, call),
    place: (input, from) => place(context, input, from),
    release: (input, from) => release(context, input, from),
  };
}
