import type { Env, Log, Timer, TlsIdentity } from '@ron/kernel';
import { issueCertificate, type NodeCertificate } from './certificate.ts';
import type { NodeIdentity } from './node-identity.ts';

export interface CertificateSourceOptions {
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly identity: NodeIdentity;
  readonly log: Log;
  /** How long a certificate is valid, 1 s to 48 h. */
  readonly validityMs: number;
}

/** A failed renewal is tried again after this. */
const retryMs = 60_000;

/**
 * The node's certificate, renewed when two thirds of its validity are over. Who asks for it gets the one of that moment;
 * connections that were made with an older one stay.
 */
export class CertificateSource implements Disposable {
  readonly #options: CertificateSourceOptions;
  #current: NodeCertificate;
  #renewing: Promise<void> | undefined;
  #timer: Timer | undefined;
  #over = false;
  /** After a failure, connections do not ask for a renewal before this. */
  #quietUntilMs = Number.NEGATIVE_INFINITY;

  private constructor(options: CertificateSourceOptions, first: NodeCertificate) {
    this.#options = options;
    this.#current = first;
    this.#arm();
  }

  static async open(options: CertificateSourceOptions): Promise<CertificateSource> {
    return new CertificateSource(options, await issueCertificate(options.identity, options.env, options.validityMs));
  }

  get current(): NodeCertificate {
    return this.#current;
  }

  /** For the next connection. A wall clock that has jumped is noticed here: the certificate after this one fits it again. */
  tls(): TlsIdentity {
    if (this.#isDue() && this.#options.env.clock.monotonicMs() >= this.#quietUntilMs) void this.renew();
    return this.#current.tls;
  }

  /** Makes the next certificate now. Never rejects: a failure is logged, and the present certificate stays. */
  renew(): Promise<void> {
    this.#renewing ??= this.#issue().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  async #issue(): Promise<void> {
    const { env, identity, log, validityMs } = this.#options;
    try {
      this.#current = await issueCertificate(identity, env, validityMs);
    } catch (err) {
      this.#quietUntilMs = env.clock.monotonicMs() + retryMs;
      log.error({ err }, 'the node certificate could not be renewed');
    }
    this.#arm();
  }

  #isDue(): boolean {
    const { notBeforeMs } = this.#current;
    const nowMs = this.#options.env.clock.wallMs();
    return nowMs >= this.#renewAtMs() || nowMs < notBeforeMs - retryMs;
  }

  #renewAtMs(): number {
    const { notBeforeMs, notAfterMs } = this.#current;
    return notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3;
  }

  #arm(): void {
    this.#timer?.cancel();
    if (this.#over) return;
    const { clock } = this.#options.env;
    const inMs = this.#renewAtMs() - clock.wallMs();
    this.#timer = clock.after(inMs > 0 ? inMs : retryMs, () => void this.renew());
  }
}
