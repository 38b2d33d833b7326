import type { NodeId } from '@ron/proto/network';
import { type NodeRecord, overlayLimits } from '@ron/proto/overlay';
import { fromBase64Url, toBase64Url, toHex } from '@ron/transport';
import type { OverlayPorts } from './ports.ts';
import { recordStatement } from './statements.ts';

export type KeyPorts = Pick<OverlayPorts, 'blake3' | 'verify'>;

/** What a node says about itself, beside its key. */
export type SelfDescription = Pick<NodeRecord, 'addresses' | 'region' | 'free_bytes' | 'version'>;

export async function signRecord(
  { signer, clock }: Pick<OverlayPorts, 'signer' | 'clock'>,
  about: SelfDescription,
  incarnation: number,
  left = false,
): Promise<NodeRecord> {
  const unsigned = {
    id: signer.id,
    public_key: toBase64Url(signer.publicKey),
    ...about,
    incarnation,
    issued_at: clock.wallMs(),
    ...(left ? ({ left } as const) : {}),
  };
  return { ...unsigned, signature: toBase64Url(await signer.sign(recordStatement(unsigned))) };
}

/** Whether the key is the one that the node is named after. */
export function isKeyOf({ blake3 }: KeyPorts, id: NodeId, publicKey: string): boolean {
  return toHex(blake3(fromBase64Url(publicKey))) === id;
}

/** Whether the node said this itself. Costs a signature check: look at sizes, ages and what is known first. */
export function isRecordGenuine(ports: KeyPorts, record: NodeRecord): boolean {
  return (
    isKeyOf(ports, record.id, record.public_key) &&
    ports.verify(fromBase64Url(record.public_key), recordStatement(record), fromBase64Url(record.signature))
  );
}

/** Whether a record may be taken from others: its node renews it long before it is too old. */
export function isRecordCurrent({ issued_at }: NodeRecord, nowMs: number): boolean {
  return issued_at <= nowMs + overlayLimits.clockSkewMsMax && issued_at > nowMs - overlayLimits.recordAgeMsMax;
}
