import type { HttpHeaders } from '@ron/kernel';
import { type Fields, textOf } from '../fields/fields.ts';
import { splitList } from '../fields/list.ts';

/** Fields of one connection only. RFC 9110, 7.6.1. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
/** Between a proxy and its neighbour: never kept and, as this proxy asks for no credentials, never passed on. RFC 9111, 3.1. */
const ofProxies = new Set(['proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization']);
/** A Connection field cannot take these out: they are for every recipient. RFC 9110, 7.6.1. */
const notOptions = new Set(['cache-control', 'content-length', 'host', 'via']);

/** Names that the message keeps to its connection. */
function connectionNames(connection: string | undefined): ReadonlySet<string> {
  if (connection === undefined) return hopByHop;
  const names = new Set(hopByHop);
  for (const option of splitList(connection.toLowerCase())) if (!notOptions.has(option)) names.add(option);
  return names;
}

/** What of a response goes on to a client. */
export function endToEnd(fields: Fields): HttpHeaders {
  const dropped = connectionNames(textOf(fields, 'connection'));
  const passed: HttpHeaders = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined && !dropped.has(name) && !ofProxies.has(name)) passed[name] = value;
  }
  return passed;
}

/** What of a request goes on to the origin, lines as received; `without` names more that stay. */
export function endToEndLines(lines: readonly string[], without: ReadonlySet<string>): string[] {
  let connection: string | undefined;
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i]?.toLowerCase() === 'connection') connection = `${connection ?? ''},${lines[i + 1]}`;
  }
  const dropped = connectionNames(connection);
  const passed: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string;
    const lower = name.toLowerCase();
    if (!dropped.has(lower) && !ofProxies.has(lower) && !without.has(lower)) passed.push(name, lines[i + 1] as string);
  }
  return passed;
}

/** What they say is about one request and its reader: its name, and what that reader has left. */
const ofOneRequest = ['x-corr-id', 'ratelimit', 'ratelimit-policy'];

/** Without the fields that are about one request, which no other reader gets. */
export function withoutOfOneRequest(fields: Fields): Fields {
  return withoutNamed(fields, ofOneRequest);
}

/** Without the fields that a qualified `private` or `no-cache` keeps out of a shared store. RFC 9111, 5.2.2.4 and 5.2.2.7. */
export function withoutNamed(fields: Fields, ...lists: readonly (readonly string[] | undefined)[]): Fields {
  const names = new Set(lists.flatMap((list) => list ?? []));
  if (names.size === 0) return fields;
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.has(name)));
}
