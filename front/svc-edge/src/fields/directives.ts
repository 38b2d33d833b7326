import { parseDeltaSeconds } from './delta-seconds.ts';
import { isToken, splitList, trimBlank, unquote } from './list.ts';

/** By lower-case name. */
export type Directives = ReadonlyMap<string, { readonly argument: string | true | undefined }>;

/**
 * The directives of a Cache-Control value, token or quoted argument alike (RFC 9111, 5.2). Of a repeated one the first
 * counts (4.2.1). `argument` is undefined where it does not parse: a limit is then treated as passed, a prohibition as said.
 */
export function parseDirectives(value: string | undefined): Directives {
  const directives = new Map<string, { argument: string | true | undefined }>();
  if (value === undefined) return directives;
  for (const member of splitList(value)) {
    const equals = member.indexOf('=');
    const rawName = equals === -1 ? member : member.slice(0, equals);
    const name = trimBlank(rawName).toLowerCase();
    if (!isToken(name) || directives.has(name)) continue;
    directives.set(name, { argument: equals === -1 ? true : readArgument(rawName, member.slice(equals + 1)) });
  }
  return directives;
}

function readArgument(rawName: string, text: string): string | undefined {
  if (rawName !== trimBlank(rawName)) return undefined;
  return isToken(text) ? text : unquote(text);
}

/** `invalid` for a directive that is there without a whole number. */
export type Seconds = number | 'invalid';

export function secondsOf(directives: Directives, name: string): Seconds | undefined {
  const directive = directives.get(name);
  if (directive === undefined) return undefined;
  const { argument } = directive;
  return typeof argument === 'string' ? (parseDeltaSeconds(argument) ?? 'invalid') : 'invalid';
}

/** Field names of a qualified `private` or `no-cache`; undefined when the directive is absent, empty when it names none. */
export function namesOf(directives: Directives, name: string): readonly string[] | undefined {
  const directive = directives.get(name);
  if (directive === undefined) return undefined;
  return typeof directive.argument === 'string' ? splitList(directive.argument.toLowerCase()) : [];
}
