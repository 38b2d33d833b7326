/**
 * Whose network an address is of, as far as addresses tell: /24 of IPv4, /48 of IPv6, otherwise the host itself. Who has one
 * machine has one group, and who has many ids in it gains nothing where groups are counted.
 */
export function groupOf(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':'));
  const v4 = /^(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$/.exec(host);
  if (v4 !== null) return v4[1]!;
  if (!host.startsWith('[')) return host.toLowerCase();
  const inner = host.slice(1, -1).toLowerCase();
  const mapped = /^::ffff:(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$/.exec(inner);
  return mapped === null ? prefix48(inner) : mapped[1]!;
}

/** The first three groups of an IPv6 address, written out. */
function prefix48(host: string): string {
  const [head = '', tail] = host.split('::', 2);
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...new Array<string>(zeros).fill('0'), ...last];
  return groups
    .slice(0, 3)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
