import type { NetAddress } from './net.ts';

/** `host:port`, `[v6]:port` or `unix:path`. Throws `RangeError`. */
export function parseNetAddress(text: string): NetAddress {
  if (text.startsWith('unix:') && text.length > 5) return { kind: 'unix', path: text.slice(5) };
  const parts = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  const host = parts?.[1] ?? parts?.[2];
  if (host === undefined || port > 65_535) throw new RangeError(`"${text}" is not host:port or unix:path`);
  return { kind: 'tcp', host, port };
}
