/** An address range: the 16 bytes of the network in IPv6 form, and how many leading bits count. */
export interface Cidr {
  readonly network: Uint8Array;
  readonly bits: number;
}

const v4MappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** `10.0.0.0/8`, `2001:db8::/32`, or one address without a length. Undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const host = slash === -1 ? text : text.slice(0, slash);
  const length = slash === -1 ? undefined : text.slice(slash + 1);
  const network = parseAddressBytes(host);
  if (network === undefined) return undefined;
  const isV4 = !host.includes(':');
  const bitsMax = isV4 ? 32 : 128;
  if (length === undefined) return { network, bits: 128 };
  if (!/^(0|[1-9][0-9]{0,2})$/.test(length) || Number(length) > bitsMax) return undefined;
  return { network, bits: Number(length) + (isV4 ? 96 : 0) };
}

/** True when the address is in the range. IPv4 and its IPv6-mapped form are the same address. */
export function cidrContains(cidr: Cidr, address: Uint8Array): boolean {
  const whole = cidr.bits >> 3;
  for (let index = 0; index < whole; index += 1) {
    if (cidr.network[index] !== address[index]) return false;
  }
  const left = cidr.bits & 7;
  if (left === 0) return true;
  return ((cidr.network[whole]! ^ address[whole]!) & (0xff << (8 - left)) & 0xff) === 0;
}

/** 16 bytes of an IPv4 or IPv6 address, without port or zone; IPv4 in its mapped form. Undefined for anything else. */
export function parseAddressBytes(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(':')) {
    const v4 = parseV4(text);
    return v4 === undefined ? undefined : Uint8Array.from([...v4MappedPrefix, ...v4]);
  }
  return parseV6(text);
}

function parseV4(text: string): readonly number[] | undefined {
  const parts = text.split('.');
  // No leading zeros: some readers take them for octal.
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
}

function parseV6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** The bytes of colon-separated groups; the last may be dotted IPv4 when it ends the address. */
function parseGroups(text: string, endsAddress: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (endsAddress && index === groups.length - 1 && group.includes('.')) {
      const v4 = parseV4(group);
      if (v4 === undefined) return undefined;
      bytes.push(...v4);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}
