/** Entries of a bundle as far as they can be made out: what is cut off or left over becomes one more. */
export function entriesOf(bundle: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.byteLength);
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at + 2 <= bundle.byteLength) {
    const end = at + 2 + view.getUint16(at);
    entries.push(bundle.subarray(at + 2, end));
    if (end > bundle.byteLength) return entries;
    at = end;
  }
  if (at < bundle.byteLength) entries.push(bundle.subarray(at));
  return entries;
}
