import { SLICE_MEDIA_TYPE } from '@ron/b3';
import type { HttpRequest } from '@ron/kernel';

export interface AddressPath {
  readonly address: string;
  readonly isOutboard: boolean;
}

/** Of the shortest spelling: most requests are for nothing of the kind. */
const charsMin = '/o/b3:'.length + 64;
const pattern = /^\/(o|get)\/(b3:[0-9a-f]{64})(\.outboard)?$/i;

/**
 * Whatever an origin may take for an object's address or its outboard: both routes, any letter percent-encoded, any
 * query, doubled slashes and dot segments (RFC 3986, 6.2.2). Nothing of these is left to what is not verified.
 */
export function addressOf(target: string): AddressPath | undefined {
  if (target.length < charsMin) return undefined;
  const match = pattern.exec(plainPath(target));
  // The routes are told from others by their case; an address is the same one in any.
  if (match === null || (match[1] !== 'o' && match[1] !== 'get')) return undefined;
  const isOutboard = match[3] !== undefined;
  if (isOutboard && match[1] !== 'o') return undefined;
  return { address: match[2]!.toLowerCase(), isOutboard };
}

/** Without query, decoded once, without empty and dot segments; as it came where it is not well formed. */
export function plainPath(target: string): string {
  const end = target.search(/[?#]/);
  let path = end < 0 ? target : target.slice(0, end);
  if (path.includes('%')) path = decoded(path);
  if (!/\/\/|\/\.|\\/.test(path)) return path;
  const kept: string[] = [];
  const segments = path.replaceAll('\\', '/').split('/');
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}${segments.at(-1) === '' ? '/' : ''}`;
}

function decoded(path: string): string {
  return path.replace(/%[0-7][0-9a-f]/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
}

export function addressPath({ method, target }: Pick<HttpRequest, 'method' | 'target'>): AddressPath | undefined {
  return method === 'GET' || method === 'HEAD' ? addressOf(target) : undefined;
}

const credentials = ['authorization', 'ron-cap', 'ron-proof'] as const;

/** Field lines of what only this reader may use; empty for everybody. */
export function credentialLines(headers: HttpRequest['headers']): readonly string[] {
  return credentials.flatMap((name) => (headers[name] === undefined ? [] : [name, headers[name]]));
}

const weight = /^\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*$/i;

/** Whether a slice, which proves itself, is wanted rather than the bytes, as a gateway judges it. RFC 9110, 12.5.1. */
export function wantsSlice(accept: string | undefined): boolean {
  if (accept?.includes(SLICE_MEDIA_TYPE) !== true) return false;
  const quality = new Map<string, number>();
  for (const member of accept.split(',')) {
    const [range, ...parameters] = member.split(';');
    const said = parameters.map((parameter) => weight.exec(parameter)?.[1]).find((text) => text !== undefined);
    quality.set(range!.trim().toLowerCase(), Number(said ?? 1));
  }
  const slice = quality.get(SLICE_MEDIA_TYPE) ?? 0;
  const bytes = ['application/octet-stream', 'application/*', '*/*'].find((range) => quality.has(range));
  return slice > 0 && slice >= (bytes === undefined ? 0 : quality.get(bytes)!);
}
