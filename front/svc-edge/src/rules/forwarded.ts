import type { Fields } from '../fields/fields.ts';

/**
 * Fields in which a client may claim to be somebody else, to have come by another way, or to mean another resource or
 * method. Proxies set them and origins believe them, mostly without a word in Vary: an answer that depends on one would be
 * kept for everybody.
 */
export const forwardedNames: readonly string[] = [
  'base-url',
  'cf-connecting-ip',
  'client-ip',
  'fastly-client-ip',
  'forwarded',
  'front-end-https',
  'http-url',
  'proxy-host',
  'request-uri',
  'true-client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-forwarded',
  'x-forwarded-by',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-path',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-forwarded-protocol',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-forwarded-uri',
  'x-forwarded-url',
  'x-host',
  'x-http-destinationurl',
  'x-http-host-override',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-host',
  'x-original-uri',
  'x-original-url',
  'x-originating-ip',
  'x-override-url',
  'x-proxy-url',
  'x-real-ip',
  'x-remote-addr',
  'x-remote-ip',
  'x-rewrite-url',
  'x-scheme',
  'x-server-name',
  'x-url-scheme',
  'x-wap-profile',
];

const names: ReadonlySet<string> = new Set(forwardedNames);

export function hasForwarded(fields: Fields): boolean {
  for (const name in fields) if (names.has(name)) return true;
  return false;
}

/** The same object where there is none of them, as nearly always. */
export function withoutForwarded(fields: Fields): Fields {
  if (!hasForwarded(fields)) return fields;
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.has(name)));
}

/** `lines` are names and values in turn, as received. */
export function linesWithoutForwarded(lines: readonly string[]): readonly string[] {
  const passed: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string;
    if (!names.has(name.toLowerCase())) passed.push(name, lines[i + 1] as string);
  }
  return passed;
}
