import { createOutboardVerifier, GroupBitmap, type OutboardVerifier } from '@ron/b3';
import { type Address, hashFromAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { UploadState } from '@ron/proto/storage';
import type { Static } from 'typebox';
import type { BlobEngine, Staging } from '../engine.ts';

export type UploadReport = Static<typeof UploadState>;

/** An unfinished upload. With a verifier every group is proven before it is written. */
export interface Upload {
  readonly staging: Staging;
  readonly verified: { readonly verifier: OutboardVerifier; present: GroupBitmap } | undefined;
  /** One write, completion or removal at a time. */
  busy: boolean;
}

export function openUpload(staging: Staging): Upload {
  const { outboard, address } = staging.meta;
  if (outboard === undefined || address === undefined) return { staging, verified: undefined, busy: false };
  const root = hashFromAddress(address);
  const verifier = createOutboardVerifier({ root, outboard, size: staging.sizeBytes });
  return { staging, verified: { verifier, present: new GroupBitmap(verifier.groupCount) }, busy: false };
}

export function isComplete(upload: Upload): boolean {
  if (upload.verified !== undefined) return upload.verified.present.complete;
  return upload.staging.contiguousBytes === upload.staging.sizeBytes;
}

/** Bytes from the start that need not be sent again. */
export function offsetOf({ staging, verified }: Upload): number {
  if (verified === undefined) return staging.contiguousBytes;
  for (const { first } of verified.present.missingRanges()) return Math.min(first * 65_536, staging.sizeBytes);
  return staging.sizeBytes;
}

export function reportOf(upload: Upload): UploadReport {
  const { staging, verified } = upload;
  return {
    upload_id: staging.id,
    size: staging.sizeBytes,
    offset: offsetOf(upload),
    complete: false,
    ...(staging.meta.address === undefined ? {} : { address: staging.meta.address }),
    ...(verified === undefined ? {} : { missing: missingBitmap(verified.present) }),
    expires_at: staging.meta.expiresMs,
  };
}

/** Bit g (lowest first) is set while group g is missing; bits past the last group are zero. */
function missingBitmap(present: GroupBitmap): string {
  const bits = present.toBytes().map((byte) => ~byte);
  const past = present.groupCount % 8;
  if (past !== 0) bits[bits.byteLength - 1]! &= (1 << past) - 1;
  return Buffer.from(bits.buffer, bits.byteOffset, bits.byteLength).toString('base64url');
}

export function refuseConflict(upload: Upload, message: string): never {
  throw new RonError('conflict', message, { details: { offset: offsetOf(upload) } });
}

export function completedReport(
  { staging }: Upload,
  address: Address,
  durability: BlobEngine['durability'],
): UploadReport {
  const { id, sizeBytes, meta } = staging;
  const whole = { size: sizeBytes, offset: sizeBytes, complete: true };
  return { upload_id: id, ...whole, address, durability, expires_at: meta.expiresMs };
}
