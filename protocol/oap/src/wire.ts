/** Bits of the frame's `flags`. Bits 8–15 are reserved: sent as zero, ignored when received. */
export const frameFlag = {
  REQ: 0x01,
  RESP: 0x02,
  EVENT: 0x04,
  START: 0x08,
  END: 0x10,
  ACK_REQ: 0x20,
  /** The payload is one zstd frame. Only with START. */
  COMP: 0x40,
  /** The body is sealed between the applications: never inflated, logged or sampled. */
  APP_E2E: 0x80,
} as const;

/** Flags that this implementation understands when it has no inflater. */
export const flagsWithoutComp = 0xbf;
/** All flags of version 1. */
export const flagsAll = 0xff;
/** Exactly one of these says what a frame is. */
export const frameKindMask = frameFlag.REQ | frameFlag.RESP | frameFlag.EVENT;

export const frameVersion = 1;
/** Bytes of the fixed part, `len` included. */
export const frameHeadBytes = 37;
/** Smallest `len`: the fixed part without `len` itself. */
export const frameLenMin = 33;
/** Bytes of `tenant_id`. */
export const tenantBytes = 16;

/** Values of `app_proto_id`. From 0x8000 on they belong to applications. */
export const appId = {
  control: 0,
  overlay: 0x0101,
  dht: 0x0102,
  mailbox: 0x0201,
  storage: 0x0301,
  index: 0x0302,
  registry: 0x0303,
  kms: 0x0401,
  passport: 0x0402,
  policy: 0x0403,
  audit: 0x0404,
  gateway: 0x0501,
  edge: 0x0502,
  applications: 0x8000,
} as const;

/** Values of `code` on a control event (app 0, EVENT). Others are ignored. */
export const controlCode = {
  /** Payload u32: body bytes that the receiver of this frame may send in addition; `stream_id` 0 = the connection. */
  credit: 100,
  /** The frame of this stream that asked for it has been handled. */
  ack: 202,
  /** The stream is over in both directions. */
  cancel: 499,
} as const;

/** `tenant_id` when none is meant. Shared; do not write to it. */
export const zeroTenant: Uint8Array = new Uint8Array(tenantBytes);
/** Shared empty bytes. */
export const noBytes: Uint8Array = new Uint8Array(0);
