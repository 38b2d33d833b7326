import type { Env } from '@ron/kernel';
import { type KeyInfo, type Kms, parseKeyId } from '@ron/kms';
import { registryLimits, type Snapshot } from '@ron/proto/registry';
import { documentBytes, encodeSigned, type Signer, type SignerSignature, type ThresholdRule } from '@ron/signed';

/** What signs for a node. */
export type SigningKms = Pick<Kms, 'createKey' | 'listKeys' | 'sign' | 'publicKey'>;

/** A node that signs proposals with keys of its own, when an administrator asks it to. */
export interface NodeSigner {
  /** With both keys, oldest first; what to put into `signers` of a snapshot. */
  signers(): readonly Signer[];
  /** By those of the node's signers that are named. Empty when it is none of them. */
  sign(document: Snapshot, names: ReadonlySet<string>): Promise<readonly SignerSignature[]>;
}

const tenant = 'node';
const purpose = 'registry';

/**
 * The hybrid keys of a node, made on first use. A rotated key signs no more, so a node's signer is replaced by a second
 * pair of keys (`addKeys`) that a proposal lists, never by `rotateKey`.
 */
export async function createNodeSigner({ kms }: { readonly kms: SigningKms }): Promise<NodeSigner> {
  if (pairsOf(kms).length === 0) await addKeys(kms);
  return {
    signers: () => pairsOf(kms).map((pair) => signerOf(kms, pair)),
    async sign(document, names) {
      const message = documentBytes(document);
      const signatures: SignerSignature[] = [];
      for (const pair of pairsOf(kms)) {
        const signer = nameOf(pair);
        if (!names.has(signer)) continue;
        for (const { kid, alg } of [pair.ed25519, pair.mlDsa]) {
          const signature = text(await kms.sign(kid, message));
          signatures.push({ signer, alg: alg as SignerSignature['alg'], signature });
        }
      }
      return signatures;
    },
  };
}

/** One more pair of keys, for the signer that follows the one of today. */
export async function addKeys(kms: SigningKms): Promise<void> {
  const have = (alg: KeyInfo['alg']) => kms.listKeys({ tenant, purpose, alg, state: 'active' }).length;
  // A start that ended between the two left one without its partner.
  if (have('ed25519') <= have('ml-dsa-65')) await kms.createKey({ tenant, purpose, alg: 'ed25519' });
  if (have('ml-dsa-65') < have('ed25519')) await kms.createKey({ tenant, purpose, alg: 'ml-dsa-65' });
}

export interface GenesisOptions {
  readonly env: Pick<Env, 'clock'>;
  readonly kms: SigningKms;
  /** Milliseconds; 90 days without it. */
  readonly validityMs?: number;
  readonly descriptors?: Snapshot['descriptors'];
}

export interface Genesis {
  readonly roots: ThresholdRule;
  /** Encoded and signed, as `RegistryEngines.genesis` wants it. */
  readonly text: string;
}

/** The first snapshot of a node that stands alone: one signer, its own keys, threshold 1. */
export async function createGenesis({ env, kms, validityMs, descriptors = [] }: GenesisOptions): Promise<Genesis> {
  const node = await createNodeSigner({ kms });
  const signers = node.signers().slice(0, 1);
  const nowMs = env.clock.wallMs();
  const document: Snapshot = {
    type: 'ron-registry',
    version: 1,
    issued_at: nowMs,
    expires_at: nowMs + (validityMs ?? registryLimits.validityDefaultMs),
    signers: signers as Snapshot['signers'],
    threshold: 1,
    descriptors: descriptors.toSorted((one, other) => (one.id < other.id ? -1 : 1)),
    revoked_signers: [],
  };
  const signatures = await node.sign(document, new Set(signers.map(({ name }) => name)));
  return { roots: { signers, threshold: 1 }, text: encodeSigned({ document, signatures }) };
}

interface KeyPair {
  readonly ed25519: KeyInfo;
  readonly mlDsa: KeyInfo;
}

function pairsOf(kms: SigningKms): readonly KeyPair[] {
  const mlDsa = kms.listKeys({ tenant, purpose, alg: 'ml-dsa-65', state: 'active' });
  return kms
    .listKeys({ tenant, purpose, alg: 'ed25519', state: 'active' })
    .slice(0, mlDsa.length)
    .map((ed25519, index) => ({ ed25519, mlDsa: mlDsa[index]! }));
}

/** Names both keys with their versions: another key is another signer. */
function nameOf({ ed25519, mlDsa }: KeyPair): string {
  const short = ({ kid, version }: KeyInfo) => `${parseKeyId(kid)!.uuid}#${version}`;
  return `node/${short(ed25519)}:${short(mlDsa)}`;
}

function signerOf(kms: SigningKms, pair: KeyPair): Signer {
  const keys = { ed25519: text(kms.publicKey(pair.ed25519.kid)), 'ml-dsa-65': text(kms.publicKey(pair.mlDsa.kid)) };
  return { name: nameOf(pair), keys };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
