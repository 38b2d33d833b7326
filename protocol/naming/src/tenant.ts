import { refuse } from './refuse.ts';

/** Bytes of a tenant id on the wire. */
export const tenantBytes = 16;

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ulid = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The 16 bytes of a tenant written as a ULID (26 upper-case Crockford digits, at most 7ZZ…) or as a lower-case UUID.
 * All zero is refused: on the wire that means "no tenant", and nobody may claim it by name.
 */
export function parseTenant(text: string): Uint8Array {
  const bytes = ulid.test(text) ? fromUlid(text) : uuid.test(text) ? fromHex(text.replaceAll('-', '')) : undefined;
  if (bytes === undefined) refuse('tenant', 'a tenant is a ULID of 26 upper-case digits or a lower-case UUID');
  if (bytes.every((byte) => byte === 0)) refuse('tenant.zero', 'tenant zero means "unspecified" and cannot be named');
  return bytes;
}

/** The ULID text of 16 tenant bytes. */
export function formatTenant(bytes: Uint8Array): string {
  if (bytes.byteLength !== tenantBytes) refuse('tenant.length', `a tenant has ${tenantBytes} bytes`);
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let text = '';
  for (let shift = 125n; shift >= 0n; shift -= 5n) text += crockford[Number((value >> shift) & 31n)];
  return text;
}

function fromUlid(text: string): Uint8Array {
  let value = 0n;
  for (const digit of text) value = (value << 5n) | BigInt(crockford.indexOf(digit));
  return fromHex(value.toString(16).padStart(tenantBytes * 2, '0'));
}

function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(tenantBytes);
  for (let index = 0; index < tenantBytes; index += 1) {
    bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
}
