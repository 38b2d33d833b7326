import type { Contract, HttpRoute, Operation } from './contract.ts';
import { type ErrorCode, errorCodes, errorTable } from './errors.ts';

/** Plain JSON as these documents are made of. */
export type JsonObject = { [member: string]: unknown };

/** Refusals that every operation can give before or around its handler. */
const pipelineErrors: readonly ErrorCode[] = [
  'bad_request',
  'unauthenticated',
  'forbidden',
  'payload_too_large',
  'headers_too_large',
  'quota_exhausted',
  'internal',
  'unavailable',
  'deadline_exceeded',
];

const schemaDialect = 'https://json-schema.org/draft/2020-12/schema';

/**
 * An OpenAPI 3.1 document of the HTTP routes of these contracts. Pure: the same contracts give the same document. The
 * operations of the first have their own names, those of the others their contract's before it.
 */
export function openApiOf(contracts: readonly Contract[], version = '1'): JsonObject {
  const paths: Record<string, JsonObject> = {};
  const shapes = new Map<string, string>();
  const operations = contracts.flatMap((contract, place) =>
    Object.entries(contract.operations).map(
      ([name, operation]) => [place === 0 ? name : `${contract.name}_${name}`, operation] as const,
    ),
  );
  for (const [name, operation] of operations) {
    (operation.http ?? []).forEach((route, index) => {
      const template = templateOf(route.path);
      // OpenAPI holds two templates that differ in parameter names alone for the same path: the first one is kept.
      const shape = template.replaceAll(/\{[^}]*\}/g, '{}');
      const known = shapes.get(shape) ?? template;
      shapes.set(shape, known);
      paths[known] ??= {};
      paths[known][route.method.toLowerCase()] = operationOf(name, index, operation, route, parametersOf(known));
    });
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: schemaDialect,
    info: {
      title: 'RON',
      version,
      description:
        'Content-addressed objects, names and mailboxes, and what they are trusted by. Every refusal is the error envelope, with a code of one table.',
    },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'a capability' },
        capability: { type: 'apiKey', in: 'header', name: 'RON-Cap', description: 'the same capability' },
      },
      schemas: { ErrorEnvelope: errorEnvelopeSchema() },
      responses: Object.fromEntries(errorCodes.map((code) => [code, errorResponseOf(code)])),
    },
  };
}

/** A JSON Schema (2020-12) bundle: `$defs` holds `<contract>.<operation>.input` and `….output` for every operation. */
export function schemasOf(contracts: readonly Contract[]): JsonObject {
  const $defs: JsonObject = { ErrorEnvelope: errorEnvelopeSchema() };
  for (const contract of contracts) {
    for (const [name, { input, output }] of Object.entries(contract.operations)) {
      $defs[`${contract.name}.${name}.input`] = plain(input);
      $defs[`${contract.name}.${name}.output`] = plain(output);
    }
  }
  return { $schema: schemaDialect, title: 'RON contracts', $defs };
}

/** `/o/:address` → `/o/{address}`; a final `*rest` becomes a parameter too, which OpenAPI cannot say more of. */
function templateOf(path: string): string {
  return path.replaceAll(/[:*]([A-Za-z_]+)/g, '{$1}');
}

function parametersOf(template: string): readonly string[] {
  return [...template.matchAll(/\{([^}]*)\}/g)].map((match) => match[1]!);
}

function operationOf(
  name: string,
  index: number,
  operation: Operation,
  route: HttpRoute,
  documented: readonly string[],
): JsonObject {
  const fields = objectParts(operation.input);
  const inPath = parametersOf(templateOf(route.path));
  const wildcard = route.path.includes('*') ? inPath.at(-1) : undefined;
  const taken = new Set([...inPath, ...Object.keys(route.fixed ?? {})]);
  const parameters: JsonObject[] = inPath.map((field, position) => ({
    name: documented[position] ?? field,
    in: 'path',
    required: true,
    ...(field === wildcard ? { description: 'the rest of the path, slashes included' } : {}),
    schema: fields.properties[field] ?? { type: 'string' },
  }));
  for (const field of route.query ?? []) {
    taken.add(field);
    parameters.push(parameterOf(field, 'query', field, fields));
  }
  for (const [header, field] of Object.entries(route.headers ?? {})) {
    taken.add(field);
    // OpenAPI reserves these: they follow from the media types of request and responses.
    if (header !== 'accept' && header !== 'content-type') parameters.push(parameterOf(header, 'header', field, fields));
  }
  if (operation.mutation) {
    const schema = { type: 'string', minLength: 1, maxLength: 128 };
    parameters.push({ name: 'idempotency-key', in: 'header', required: false, schema });
  }
  if (operation.audit !== undefined) {
    parameters.push({ name: 'ron-receipt', in: 'header', required: false, schema: { type: 'string', enum: ['1'] } });
  }
  return {
    operationId: index === 0 ? name : `${name}_${index + 1}`,
    summary: operation.summary,
    parameters,
    ...requestBodyOf(operation, route, fields, taken),
    responses: responsesOf(operation, route),
    security: operation.scopes.length === 0 ? [] : [{ bearer: [] }, { capability: [] }],
    'x-ron-scopes': operation.scopes,
  };
}

interface ObjectParts {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required: readonly string[];
}

function objectParts(schema: object): ObjectParts {
  const { properties = {}, required = [] } = plain(schema) as Partial<ObjectParts>;
  return { properties, required };
}

function parameterOf(name: string, place: 'query' | 'header', field: string, fields: ObjectParts): JsonObject {
  const required = fields.required.includes(field);
  return { name, in: place, required, schema: fields.properties[field] ?? { type: 'string' } };
}

function requestBodyOf(
  operation: Operation,
  route: HttpRoute,
  fields: ObjectParts,
  taken: ReadonlySet<string>,
): JsonObject {
  if (route.json) {
    const properties = Object.fromEntries(Object.entries(fields.properties).filter(([field]) => !taken.has(field)));
    const required = fields.required.filter((field) => !taken.has(field));
    const schema = { type: 'object', properties, required, additionalProperties: false };
    return { requestBody: { required: required.length > 0, content: { 'application/json': { schema } } } };
  }
  if (operation.body !== 'in' && operation.body !== 'both') return {};
  return { requestBody: { content: { 'application/octet-stream': {} } } };
}

function responsesOf(operation: Operation, route: HttpRoute): JsonObject {
  const responses: JsonObject = {};
  for (const status of statusesOf(operation, route)) responses[status] = successOf(operation, route, status);
  for (const code of new Set([...pipelineErrors, ...operation.errors])) {
    responses[errorTable[code].http] = { $ref: `#/components/responses/${code}` };
  }
  return responses;
}

function statusesOf(operation: Operation, route: HttpRoute): readonly number[] {
  const fallback = [route.status ?? 200];
  if (route.statusField === undefined) return fallback;
  const field = objectParts(operation.output).properties[route.statusField] as { anyOf?: { const?: unknown }[] };
  const statuses = (field?.anyOf ?? []).map((choice) => choice.const).filter((value) => typeof value === 'number');
  return statuses.length > 0 ? statuses : fallback;
}

function successOf(operation: Operation, route: HttpRoute, status: number): JsonObject {
  const output = objectParts(operation.output);
  const headers = Object.fromEntries(
    Object.entries(route.replyHeaders ?? {})
      // OpenAPI reserves Content-Type here too.
      .filter(([, header]) => header !== 'content-type')
      .map(([field, header]) => [header, { schema: output.properties[field] ?? { type: 'string' } }]),
  );
  const described: JsonObject = { description: describe(status) };
  if (Object.keys(headers).length > 0) described['headers'] = headers;
  if (route.reply === 'json') described['content'] = { 'application/json': { schema: jsonReplySchema(output, route) } };
  if (route.reply === 'stream' && status < 300) described['content'] = { [mediaTypeOf(output, route)]: {} };
  return described;
}

/** Of a streamed reply: what its `content-type` always is, where the contract says so. */
function mediaTypeOf({ properties }: ObjectParts, { replyHeaders = {} }: HttpRoute): string {
  const field = Object.keys(replyHeaders).find((name) => replyHeaders[name] === 'content-type');
  const { const: only } = (field === undefined ? {} : (properties[field] ?? {})) as { const?: unknown };
  return typeof only === 'string' ? only : '*/*';
}

/** The field that became the status is not repeated in the body. */
function jsonReplySchema({ properties, required }: ObjectParts, { statusField }: HttpRoute): JsonObject {
  return {
    type: 'object',
    properties: Object.fromEntries(Object.entries(properties).filter(([field]) => field !== statusField)),
    required: required.filter((field) => field !== statusField),
    additionalProperties: false,
  };
}

const descriptions: Readonly<Record<number, string>> = {
  200: 'done',
  201: 'created',
  204: 'done, nothing to say',
  206: 'the ranges asked for',
  304: 'what the caller has is current',
  308: 'at another place',
};

function describe(status: number): string {
  return descriptions[status] ?? 'done';
}

function errorResponseOf(code: ErrorCode): JsonObject {
  const { retryable } = errorTable[code];
  return {
    description: `${code} (${retryable ? 'the same call may succeed later' : 'the same call will fail again'})`,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorEnvelope' } } },
  };
}

function errorEnvelopeSchema(): JsonObject {
  return {
    type: 'object',
    properties: {
      code: { enum: [...errorCodes] },
      message: { type: 'string' },
      retryable: { type: 'boolean' },
      corr_id: { type: 'string' },
      retry_after_ms: { type: 'integer', minimum: 0 },
      details: { type: 'object' },
    },
    required: ['code', 'message', 'retryable', 'corr_id'],
    additionalProperties: false,
  };
}

/** A schema as JSON: without the builder's own hidden members. */
function plain(schema: object): JsonObject {
  return JSON.parse(JSON.stringify(schema)) as JsonObject;
}
