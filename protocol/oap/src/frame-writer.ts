import { takeBytes } from './byte-slab.ts';
import { writeFrameHead } from './frame-encoder.ts';
import { frameHeadBytes, noBytes, zeroTenant } from './wire.ts';

/** Bodies up to this size are copied behind their head, so that a small frame is one chunk. */
const copyBytesMax = 2_048;

/** Encodes frames into as few chunks as possible and hands them to the transport in order. */
export class FrameWriter {
  /** The transport said stop; bodies wait. */
  blocked = false;
  /** Bytes written since then. */
  blockedBytes = 0;
  private readonly port: (chunks: Uint8Array[]) => boolean;
  private chunks: Uint8Array[] = [];
  private chunkBytes = 0;
  private corked = false;
  private readonly flushBytes: number;

  constructor(port: (chunks: Uint8Array[]) => boolean, flushBytes: number) {
    this.port = port;
    this.flushBytes = flushBytes;
  }

  /** Frames are kept until `uncork`, at most about `flushBytes`. */
  cork(): void {
    this.corked = true;
  }

  uncork(): void {
    this.corked = false;
    this.flush();
  }

  /** One frame: fixed part, capability, `hdr_len` and header unless `bare`, body. */
  frame(
    flags: number,
    code: number,
    app: number,
    streamId: number,
    header: Uint8Array,
    body: Uint8Array,
    capability: Uint8Array = noBytes,
    tenant: Uint8Array = zeroTenant,
    bare = false,
  ): void {
    const prefixBytes = bare || header.length + body.length === 0 ? 0 : 2;
    const headBytes = frameHeadBytes + capability.length + prefixBytes + header.length;
    const copied = body.length <= copyBytesMax;
    const chunk = takeBytes(copied ? headBytes + body.length : headBytes);
    const restBytes = headBytes - frameHeadBytes + body.length;
    writeFrameHead(chunk, 0, restBytes, flags, code, app, streamId, capability.length, tenant);
    let at = frameHeadBytes;
    if (capability.length > 0) chunk.set(capability, at);
    at += capability.length;
    if (prefixBytes > 0) {
      chunk[at] = header.length;
      chunk[at + 1] = header.length >>> 8;
      if (header.length > 0) chunk.set(header, at + 2);
      at += 2 + header.length;
    }
    if (copied) chunk.set(body, at);
    this.chunks.push(chunk);
    if (!copied) this.chunks.push(body);
    this.chunkBytes += headBytes + body.length;
    if (!this.corked || this.chunkBytes >= this.flushBytes) this.flush();
  }

  private flush(): void {
    if (this.chunks.length === 0) return;
    const { chunks, chunkBytes } = this;
    this.chunks = [];
    this.chunkBytes = 0;
    if (this.blocked) this.blockedBytes += chunkBytes;
    if (!this.port(chunks)) this.blocked = true;
  }

  drained(): void {
    this.blocked = false;
    this.blockedBytes = 0;
  }
}
