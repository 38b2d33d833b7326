import type { HttpRequest } from '@ron/kernel';
import type { HttpRoute, Operation } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';

type Params = Readonly<Record<string, string | undefined>>;
type Input = Record<string, unknown>;

/** Collects the input fields that stand in path, query and headers. The schema then decides whether they fit. */
export type FieldReader = (request: HttpRequest, params: Params, query: string) => Input;

type Convert = (text: string) => unknown;

export function fieldReadersOf(operation: Operation, route: HttpRoute, rest: string | undefined): FieldReader {
  const properties = (operation.input as { properties?: Record<string, { type?: string }> }).properties ?? {};
  const converters = new Map(
    Object.entries(properties).map(([field, { type }]) => [field, converterOf(type)] as const),
  );
  const convert = (field: string, text: string): unknown => (converters.get(field) ?? asText)(text);
  const headers = Object.entries(route.headers ?? {});
  const queries = new Set(route.query ?? []);
  const fixed = route.fixed;
  return (request, params, query) => {
    const input: Input = fixed === undefined ? {} : { ...fixed };
    for (const name in params) {
      const text = params[name];
      if (text === undefined) continue;
      const field = name === '*' ? rest! : name;
      input[field] = convert(field, text);
    }
    if (query !== '') readQuery(query, queries, input, convert);
    // After the query: a browser that resumes an event stream keeps the URL and says in a header how far it has come.
    for (const [header, field] of headers) {
      const text = request.headers[header];
      if (text !== undefined) input[field] = convert(field, text);
    }
    return input;
  };
}

function readQuery(
  query: string,
  known: ReadonlySet<string>,
  input: Input,
  convert: (field: string, text: string) => unknown,
): void {
  const seen = new Set<string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.has(name)) throw new RonError('bad_request', `unknown query parameter "${name.slice(0, 64)}"`);
    if (seen.has(name)) throw new RonError('bad_request', `the query parameter "${name}" stands twice`);
    seen.add(name);
    input[name] = convert(name, value);
  }
}

function converterOf(type: string | undefined): Convert {
  if (type === 'integer' || type === 'number') return asNumber;
  if (type === 'boolean') return asBoolean;
  return asText;
}

const asText: Convert = (text) => text;
const asNumber: Convert = (text) => (/^[0-9]{1,16}$/.test(text) ? Number(text) : text);
const asBoolean: Convert = (text) =>
  text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text;
