import { takeBytes } from './byte-slab.ts';
import { frameHeadBytes, frameLenMin, frameVersion, noBytes, zeroTenant } from './wire.ts';

/** One frame to encode. Whoever encodes answers for the rules of the specification; only sizes are checked here. */
export interface FrameFields {
  readonly flags: number;
  readonly code?: number;
  readonly app?: number;
  /** 16 bytes; absent = unspecified. */
  readonly tenant?: Uint8Array;
  /** 0 … 2^53 − 1. */
  readonly streamId?: number;
  /** At most 65,535 bytes on the wire; peers accept `capabilityBytesMax`. Only with START. */
  readonly capability?: Uint8Array;
  readonly payload?: Uint8Array;
}

/**
 * Writes the 37 fixed bytes at `at`. `restBytes` is what follows them: capability and payload together.
 * Numbers are stored byte by byte: with views of differing alignment this is what the engine compiles best.
 */
export function writeFrameHead(
  out: Uint8Array,
  at: number,
  restBytes: number,
  flags: number,
  code: number,
  app: number,
  streamId: number,
  capabilityBytes: number,
  tenant: Uint8Array,
): void {
  const len = frameLenMin + restBytes;
  out[at] = len;
  out[at + 1] = len >>> 8;
  out[at + 2] = len >>> 16;
  out[at + 3] = len >>> 24;
  out[at + 4] = frameVersion;
  out[at + 5] = flags;
  out[at + 6] = flags >>> 8;
  out[at + 7] = code;
  out[at + 8] = code >>> 8;
  out[at + 9] = app;
  out[at + 10] = app >>> 8;
  if (tenant === zeroTenant) out.fill(0, at + 11, at + 27);
  else out.set(tenant, at + 11);
  out[at + 27] = capabilityBytes;
  out[at + 28] = capabilityBytes >>> 8;
  // The bitwise operators keep 32 bits, so the upper half of the number is taken by division.
  const high = (streamId / 0x1_0000_0000) | 0;
  out[at + 29] = streamId;
  out[at + 30] = streamId >>> 8;
  out[at + 31] = streamId >>> 16;
  out[at + 32] = streamId >>> 24;
  out[at + 33] = high;
  out[at + 34] = high >>> 8;
  out[at + 35] = high >>> 16;
  out[at + 36] = high >>> 24;
}

/**
 * One whole frame in one array, which may be a view of a larger buffer (mind `byteOffset`).
 *
 * @throws RangeError when a field does not fit its place on the wire.
 */
export function encodeFrame(frame: FrameFields): Uint8Array {
  const tenant = frame.tenant ?? zeroTenant;
  const streamId = frame.streamId ?? 0;
  const capability = frame.capability ?? noBytes;
  const payload = frame.payload ?? noBytes;
  if (tenant.length !== zeroTenant.length) throw new RangeError('tenant_id has 16 bytes');
  if (!Number.isSafeInteger(streamId) || streamId < 0) throw new RangeError('stream_id is 0 to 2^53-1');
  if (capability.length > 0xffff) throw new RangeError('cap_len is a u16');
  const restBytes = capability.length + payload.length;
  const out = takeBytes(frameHeadBytes + restBytes);
  writeFrameHead(out, 0, restBytes, frame.flags, frame.code ?? 0, frame.app ?? 0, streamId, capability.length, tenant);
  out.set(capability, frameHeadBytes);
  out.set(payload, frameHeadBytes + capability.length);
  return out;
}
