import type { Scheme } from '@ron/cap';
import type { KeyInfo, Kms } from '@ron/kms';
import { RonError } from '@ron/proto/errors';

/** What root keys are made for; no other key of the keystore can begin a chain. */
export const rootKeyPurpose = { tenant: 'node', purpose: 'capability' } as const;
const schemes: readonly Scheme[] = ['hmac', 'ed25519'];

/** The keys that begin chains. What a key was made for decides which scheme it serves, never what a token says of it. */
export class RootKeys {
  readonly #kms: Kms;
  /** By key id: the versions that may still verify, with the public half of those that have one. */
  #usable: ReadonlyMap<string, { readonly scheme: Scheme; readonly publicKey: Uint8Array }> = new Map();
  #generation = -1;

  constructor(kms: Kms) {
    this.#kms = kms;
  }

  /** Makes the keys that the keystore lacks. */
  async prepare(): Promise<void> {
    for (const alg of schemes) {
      if (this.#kms.currentKey({ ...rootKeyPurpose, alg }) === undefined)
        await this.#kms.createKey({ ...rootKeyPurpose, alg });
    }
  }

  /** Changes with every change of the keystore. */
  get generation(): number {
    return this.#kms.generation;
  }

  /** The key for new capabilities, asked each time: a rotation takes effect with the next one. */
  current(scheme: Scheme): KeyInfo {
    const key = this.#kms.currentKey({ ...rootKeyPurpose, alg: scheme });
    if (key === undefined) throw new RonError('unavailable', 'the node has no key for new capabilities');
    return key;
  }

  /** False for keys that are gone or retired, and for those of another scheme or purpose. */
  isUsable(scheme: Scheme, kid: string): boolean {
    return this.#keys().get(kid)?.scheme === scheme;
  }

  /** All of them, of both schemes. */
  usable(): readonly { readonly scheme: Scheme; readonly kid: string }[] {
    return [...this.#keys()].map(([kid, { scheme }]) => ({ scheme, kid }));
  }

  /** The first tag of a chain; of a key that is not usable the same work with another, and a wrong tag. */
  mac(kid: string, message: Uint8Array): Uint8Array {
    if (this.isUsable('hmac', kid)) return this.#kms.mac(kid, message);
    return this.#kms.mac(this.current('hmac').kid, message);
  }

  /** 32 raw bytes; of a key that is not usable another's, for the same work. */
  publicKey(kid: string): Uint8Array {
    const known = this.isUsable('ed25519', kid) ? kid : this.current('ed25519').kid;
    return this.#keys().get(known)!.publicKey;
  }

  #keys() {
    if (this.#generation !== this.#kms.generation) {
      const infos = schemes.flatMap((alg) =>
        this.#kms.listKeys({ ...rootKeyPurpose, alg }).map((info) => ({ alg, info })),
      );
      this.#usable = new Map(
        infos
          .filter(({ info }) => info.state === 'active' || info.state === 'verifying')
          .map(({ alg, info: { kid } }) => {
            const publicKey = alg === 'ed25519' ? this.#kms.publicKey(kid) : new Uint8Array(0);
            return [kid, { scheme: alg, publicKey }];
          }),
      );
      this.#generation = this.#kms.generation;
    }
    return this.#usable;
  }
}
