import { mintToken } from '@ron/cap';
import { hmac } from '@ron/cap/hmac';
import { RonError } from '@ron/proto/errors';
import type { Access, Transport, TransportReply, TransportRequest } from '../transport.ts';

const rootKey = new Uint8Array(32).fill(7);
const lifeMs = 900_000;

/** An id whose first 48 bits are a time, as a node makes them. */
export function capabilityIdAt(ms: number, serial: number): string {
  const time = ms.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${serial.toString(16).padStart(12, '0')}`;
}

export function capabilityUntil(expiresAtMs: number, id: string): string {
  const identifier = {
    audience: 'test',
    id,
    kid: 'node/capability/hmac/0192f3a0-0000-7000-8000-000000000001#1',
    subject: 'alice',
    tenant: '',
    v: 1 as const,
  };
  const mac = (message: Uint8Array) => hmac(rootKey, message);
  return mintToken(identifier, [{ methods: ['read'], prefix: '' }], [{ exp: expiresAtMs }], mac, hmac);
}

/**
 * A node that renews passports as one does: a token works once, the same idempotency key gets the same answer again, and
 * a used token ends the family. Its clock is the test's own.
 */
export class FakePassports {
  readonly calls: TransportRequest[] = [];
  readonly served: string[] = [];
  /** Runs before a call is answered; what it throws is the answer. */
  before: ((request: TransportRequest) => void | Promise<void>) | undefined;
  nowMs: number;
  familyEnded = false;
  #token = 'ronr_first';
  #valid: { readonly capability: string; readonly expiresAtMs: number }[] = [];
  readonly #answers = new Map<string, Readonly<Record<string, unknown>>>();
  #serial = 0;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  transport(access: Access): Transport {
    return {
      call: (request) => this.call(request, access),
      ops: async () => '',
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  get refreshes(): number {
    return this.#serial;
  }

  revokeAll(): void {
    this.#valid = [];
  }

  async call(request: TransportRequest, access: Access): Promise<TransportReply> {
    this.calls.push(request);
    const capability = request.anonymous ? undefined : access.capability();
    await this.before?.(request);
    if (request.operation === 'refresh') return { output: this.#refresh(request), body: undefined };
    const good = this.#valid.some((each) => each.capability === capability && each.expiresAtMs > this.nowMs);
    if (!good) throw new RonError('unauthenticated', 'the capability is not valid here');
    this.served.push(capability!);
    return { output: {}, body: undefined };
  }

  #refresh({ input, idempotencyKey }: TransportRequest): Readonly<Record<string, unknown>> {
    const known = this.#answers.get(idempotencyKey ?? '');
    if (known !== undefined && !this.familyEnded) return known;
    if (this.familyEnded || input['refresh_token'] !== this.#token) {
      this.familyEnded = true;
      this.#valid = [];
      throw new RonError('unauthenticated', 'the refresh token is not valid here');
    }
    this.#serial += 1;
    this.#token = `ronr_${this.#serial}`;
    const capability_id = capabilityIdAt(this.nowMs, this.#serial);
    const expires_at = this.nowMs + lifeMs;
    const capability = capabilityUntil(expires_at, capability_id);
    this.#valid.push({ capability, expiresAtMs: expires_at });
    const passport = {
      capability,
      capability_id,
      refresh_token: this.#token,
      subject: 'alice',
      tenant: '',
      family: '0'.repeat(32),
      expires_at,
      refresh_expires_at: this.nowMs + 86_400_000,
    };
    this.#answers.set(idempotencyKey ?? '', passport);
    return passport;
  }
}
