import { cidrContains, parseAddressBytes, parseCidr } from '@ron/cap/cidr';

/** Peers whose word about their clients is taken. */
export type TrustedProxies = (address: string) => boolean;

/** Which field the proxies write. The other one is never read: it may be the client's own. */
export type ForwardedField = 'x-forwarded-for' | 'forwarded';

/** Proxies in a row that are believed; the address that the last of them names is the client's. */
const proxiesInRowMax = 16;

/**
 * CIDR ranges or single addresses; `unix` stands for every peer of a Unix socket. Not bounded here: the configuration is.
 *
 * @throws RangeError that names the first entry which is none of these.
 */
export function parseTrustedProxies(entries: readonly string[]): TrustedProxies {
  const ranges = entries
    .filter((entry) => entry !== 'unix')
    .map((entry) => {
      const range = parseCidr(entry);
      if (range === undefined) throw new RangeError(`"${entry.slice(0, 64)}" is no address range such as 10.0.0.0/8`);
      return range;
    });
  const unix = entries.includes('unix');
  return (address) => {
    if (address === 'unix') return unix;
    if (ranges.length === 0) return false;
    const bytes = parseAddressBytes(withoutZone(address));
    return bytes !== undefined && ranges.some((range) => cidrContains(range, bytes));
  };
}

/** An IPv4 or IPv6 address, without port or zone. */
export function isAddress(text: string): boolean {
  return parseAddressBytes(text) !== undefined;
}

interface Fields {
  readonly [name: string]: string | undefined;
}

/**
 * The client behind trusted proxies: from the right of their field, the first address that is no trusted proxy. What the
 * first untrusted one wrote further left is not read; behind something that is no address, the last good one counts.
 * From any other peer the field is its own claim, and changes nothing.
 */
export function clientAddressOf(
  remote: string,
  fields: Fields,
  trusted: TrustedProxies,
  field: ForwardedField = 'x-forwarded-for',
): string {
  if (!trusted(remote)) return remote;
  const value = fields[field];
  if (value === undefined) return remote;
  const addressOf = field === 'forwarded' ? addressOfElement : addressOfNode;
  let client = remote;
  let end = value.length;
  for (let hop = 0; hop < proxiesInRowMax && end >= 0; hop++) {
    const comma = commaBefore(value, end);
    const address = addressOf(value.slice(comma + 1, end).trim());
    if (address === undefined) return client;
    client = address;
    if (!trusted(address)) return client;
    end = comma;
  }
  return client;
}

/**
 * From the right, so that an open quote of the client's cannot swallow what a proxy added behind it. A quoted address
 * has no backslash.
 */
function commaBefore(value: string, end: number): number {
  let quoted = false;
  for (let at = end - 1; at >= 0; at--) {
    const code = value.charCodeAt(at);
    if (code === 0x22) quoted = !quoted;
    else if (code === 0x2c && !quoted) return at;
  }
  return -1;
}

/** The `for` of one element of RFC 7239, 4. */
function addressOfElement(element: string): string | undefined {
  let node: string | undefined;
  for (const pair of element.split(';')) {
    const match = /^\s*([A-Za-z]+)=("?)([^"\\\s]*)\2\s*$/.exec(pair);
    if (match === null) return undefined;
    if ((match[1] as string).toLowerCase() !== 'for') continue;
    if (node !== undefined) return undefined;
    node = match[3] as string;
  }
  return node === undefined ? undefined : addressOfNode(node);
}

/** An IPv4 or IPv6 address, perhaps with a port; not `unknown` and not an invented name. RFC 7239, 6. */
function addressOfNode(node: string): string | undefined {
  if (node.length > 64) return undefined;
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?$/.exec(node);
  const address = match === null ? node : (match[1] ?? (match[2] as string));
  return parseAddressBytes(address) === undefined ? undefined : address.toLowerCase();
}

/** `fe80::1%eth0` names the interface of this host. */
function withoutZone(address: string): string {
  const percent = address.indexOf('%');
  return percent < 0 ? address : address.slice(0, percent);
}
