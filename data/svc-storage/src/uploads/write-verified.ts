import { VerificationError } from '@ron/b3';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { steps } from '../bodies.ts';
import type { Upload } from './upload.ts';

const groupSizeBytes = 65_536;

/**
 * Takes whole groups from a multiple of 64 KiB on. Each is proven against the tree before it is written, so what was
 * accepted stays whatever happens to the rest of the body; an unfinished group at the end of a broken body is dropped.
 */
export async function writeVerified(upload: Upload, offset: number, body: ByteStream): Promise<void> {
  const { staging } = upload;
  if (offset % groupSizeBytes !== 0 || (offset > 0 && offset >= staging.sizeBytes)) {
    throw new RonError('bad_request', 'groups begin at multiples of 65536 bytes inside the object');
  }
  let index = offset / groupSizeBytes;
  const group = new Uint8Array(Math.min(groupSizeBytes, staging.sizeBytes));
  let filled = 0;
  let wrote = false;
  try {
    for await (const bytes of steps(body)) {
      for (let at = 0; at < bytes.byteLength; ) {
        const room = roomOf(upload, index) - filled;
        const part = bytes.subarray(at, at + room);
        group.set(part, filled);
        filled += part.byteLength;
        at += part.byteLength;
        if (part.byteLength < room) continue;
        wrote = (await acceptGroup(upload, index, group.subarray(0, filled))) || wrote;
        index += 1;
        filled = 0;
      }
    }
    if (filled > 0) throw new RonError('bad_request', 'the body ends inside a group of 65536 bytes');
  } finally {
    // Completing syncs what is complete.
    if (wrote && !upload.verified?.present.complete) await staging.sync();
  }
}

/** The empty object has one group of no bytes: nothing has to be sent for it, only its tree was proven. */
export function acceptEmpty(upload: Upload): void {
  const { verified, staging } = upload;
  if (verified === undefined || staging.sizeBytes > 0) return;
  proved(upload, 0, new Uint8Array(0));
  verified.present.add(0);
}

/** After a restart: proves again what is staged, so that only the rest has to be sent. */
export async function recheckGroup(upload: Upload, index: number): Promise<void> {
  const { verified, staging } = upload;
  if (verified === undefined) return;
  const length = verified.verifier.groupLength(index);
  const bytes = await staging.read(index * groupSizeBytes, length);
  if (bytes.byteLength === length && isProven(upload, index, bytes)) verified.present.add(index);
}

function roomOf({ verified, staging }: Upload, index: number): number {
  if (verified !== undefined && index < verified.verifier.groupCount && staging.sizeBytes > 0) {
    return verified.verifier.groupLength(index);
  }
  throw new RonError('payload_too_large', 'more bytes than the upload was announced with', {
    details: { limit: staging.sizeBytes },
  });
}

async function acceptGroup(upload: Upload, index: number, bytes: Uint8Array): Promise<boolean> {
  proved(upload, index, bytes);
  if (upload.verified?.present.has(index)) return false;
  await upload.staging.write(index * groupSizeBytes, bytes);
  upload.verified?.present.add(index);
  return true;
}

function proved(upload: Upload, index: number, bytes: Uint8Array): void {
  if (isProven(upload, index, bytes)) return;
  throw new RonError('bad_digest', 'a group does not belong to the address; it was not stored', {
    details: { group: index },
  });
}

function isProven(upload: Upload, index: number, bytes: Uint8Array): boolean {
  try {
    upload.verified?.verifier.verifyGroup(index, bytes);
    return true;
  } catch (error) {
    if (error instanceof VerificationError) return false;
    throw error;
  }
}
