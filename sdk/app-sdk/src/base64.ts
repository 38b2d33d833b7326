/** Characters at a time: more arguments than this overflow the stack of some platforms. */
const pieceBytes = 32_768;

/** RFC 4648, 4, padded; by what browsers and Node share. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    text += String.fromCharCode(...bytes.subarray(at, at + pieceBytes));
  }
  return btoa(text);
}

/** Throws `InvalidCharacterError` for what is no base64. */
export function decodeBase64(text: string): Uint8Array {
  const binary = atob(text);
  return Uint8Array.from({ length: binary.length }, (_, index) => binary.charCodeAt(index));
}
