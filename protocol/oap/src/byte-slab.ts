/** Bytes of a slab. Small arrays are views of one, which costs a fifth of an allocation of their own. */
const slabBytes = 16_384;
/** Longer arrays get their own memory, so that a slab is never held for the sake of a few large ones. */
const sharedBytesMax = slabBytes / 4;

let slab = new Uint8Array(slabBytes);
let slabAt = 0;

/**
 * Bytes that the caller writes in full, once. Short ones share memory with others; no part of a slab is ever handed out twice, so a
 * transport may keep them as long as it likes.
 */
export function takeBytes(bytes: number): Uint8Array {
  if (bytes > sharedBytesMax) return new Uint8Array(bytes);
  if (slabAt + bytes > slabBytes) {
    slab = new Uint8Array(slabBytes);
    slabAt = 0;
  }
  const from = slabAt;
  slabAt += bytes;
  return slab.subarray(from, slabAt);
}

const encoder = new TextEncoder();

/** The text as UTF-8. */
export function encodeText(text: string): Uint8Array {
  // A UTF-16 unit takes at most three bytes; what is not needed goes back, nothing else can have been taken meanwhile.
  const bytesMax = text.length * 3;
  if (bytesMax > sharedBytesMax) return encoder.encode(text);
  const room = takeBytes(bytesMax);
  const { written } = encoder.encodeInto(text, room);
  slabAt -= bytesMax - written;
  return room.subarray(0, written);
}
