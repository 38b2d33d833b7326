import { RonError } from '@ron/proto/errors';
import type { Message } from '@ron/proto/mailbox';
import type { Transport, TransportReply, TransportRequest } from '../transport.ts';

/** A node with one box, as far as a worker sees it: recv, ack, nack, extend. Leases end when the test says so. */
export class FakeBox implements Transport {
  readonly calls: TransportRequest[] = [];
  readonly acked: string[] = [];
  readonly nacked: { readonly lease: string; readonly reason: unknown; readonly delayMs: unknown }[] = [];
  readonly extended: string[] = [];
  /** Thrown by the next calls of these operations, in order. */
  readonly failures: { readonly operation: string; readonly error: RonError }[] = [];
  readonly #ready: Message[] = [];
  readonly #leases = new Set<string>();
  #wake: (() => void) | undefined;
  #sent = 0;

  send(body: string, attempt = 1): Message {
    this.#sent += 1;
    const lease = `lease-${this.#sent}`;
    const id = `01J${String(this.#sent).padStart(23, '0')}`;
    const message = { id, body, priority: 0, sent_at: 1, attempt, lease, fence: attempt, lease_ms: 1_000 };
    this.#ready.push(message);
    this.#wake?.();
    return message;
  }

  expire(lease: string): void {
    this.#leases.delete(lease);
  }

  count(operation: string): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  async call(request: TransportRequest): Promise<TransportReply> {
    this.calls.push(request);
    const { operation, input } = request;
    const failure = this.failures.findIndex((planned) => planned.operation === operation);
    if (failure >= 0) throw this.failures.splice(failure, 1)[0]!.error;
    const output = operation === 'mailbox_recv' ? await this.#recv(request) : this.#settle(operation, input);
    return { output, body: undefined };
  }

  async ops(): Promise<string> {
    return '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wake?.();
  }

  async #recv({ input, signal }: TransportRequest) {
    if (this.#ready.length === 0 && Number(input['wait_ms']) > 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    if (signal?.aborted) throw new RonError('unavailable', 'the call was ended by its caller');
    const messages = this.#ready.splice(0, Number(input['max'] ?? 1));
    for (const { lease } of messages) this.#leases.add(lease);
    return { messages };
  }

  #settle(operation: string, input: TransportRequest['input']) {
    const results = (input['leases'] as string[]).map((lease) => {
      const ok = operation === 'mailbox_extend' ? this.#leases.has(lease) : this.#leases.delete(lease);
      if (ok && operation === 'mailbox_ack') this.acked.push(lease);
      if (ok && operation === 'mailbox_nack')
        this.nacked.push({ lease, reason: input['reason'], delayMs: input['delay_ms'] });
      if (ok && operation === 'mailbox_extend') this.extended.push(lease);
      return ok ? { lease, ok } : { lease, ok, error: 'conflict' };
    });
    if (results.every(({ ok }) => !ok)) throw new RonError('conflict', 'no lease was good');
    return { results };
  }
}
