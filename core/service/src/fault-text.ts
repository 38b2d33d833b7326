/** A fault as the schema compiler reports it. */
export interface SchemaFault {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

export interface FieldFault {
  /** A JSON pointer (RFC 6901); `/` is the value itself. */
  readonly field: string;
  /** What is wrong, and what is allowed. Nothing of a wrong string is repeated: it may be a secret in the wrong place. */
  readonly fault: string;
}

/** Forms that callers know by a name. */
const forms: Readonly<Record<string, string>> = {
  '^b3:[0-9a-f]{64}$': 'is no address: "b3:" and 64 lower-case hex digits',
  '^[0-7][0-9A-HJKMNP-TV-Z]{25}$': 'is no message id: a ULID, 26 characters in upper case',
};

/** In words for who wrote the value, at most `max` of them; alternatives of one place are one fault. */
export function fieldFaults(faults: readonly SchemaFault[], value: unknown, max: number): FieldFault[] {
  const said: FieldFault[] = [];
  for (const fault of faults) {
    if (said.length >= max) break;
    if (fault.keyword === 'boolean' || isAlternative(fault, faults)) continue;
    if (fault.keyword === 'required') said.push(...missing(fault));
    else
      said.push({
        field: fieldOf(fault.instancePath),
        fault: textOf(fault, faults, valueAt(value, fault.instancePath)),
      });
  }
  return said.slice(0, max);
}

function missing({ instancePath, params }: SchemaFault): FieldFault[] {
  const { requiredProperties = [] } = params as { requiredProperties?: readonly string[] };
  return requiredProperties.map((name) => ({ field: `${instancePath}/${name}`, fault: 'is missing' }));
}

function textOf(fault: SchemaFault, all: readonly SchemaFault[], value: unknown): string {
  const { limit, type, pattern, allowedValue } = fault.params as Readonly<Record<string, unknown>>;
  switch (fault.keyword) {
    case 'type':
      return `is ${kindOf(value)}; it must be ${kinds[String(type)] ?? type}`;
    case 'minimum':
      return `is ${value}; it must be at least ${limit}`;
    case 'exclusiveMinimum':
      return `is ${value}; it must be more than ${limit}`;
    case 'maximum':
      return `is ${value}; it may be at most ${limit}`;
    case 'minLength':
      return `has ${lengthOf(value)} characters; it must have at least ${limit}`;
    case 'maxLength':
      return `has ${lengthOf(value)} characters; it may have at most ${limit}`;
    case 'minItems':
      return `has ${lengthOf(value)} items; it must have at least ${limit}`;
    case 'maxItems':
      return `has ${lengthOf(value)} items; it may have at most ${limit}`;
    case 'maxProperties':
      return `has ${lengthOf(value)} fields; it may have at most ${limit}`;
    case 'pattern':
      return forms[String(pattern)] ?? `does not have the form ${pattern}`;
    case 'const':
      return `must be ${JSON.stringify(allowedValue)}`;
    case 'anyOf':
      return alternatives(fault, all);
    case 'additionalProperties':
      return unknownFields(fault);
    default:
      return fault.message;
  }
}

function alternatives(fault: SchemaFault, all: readonly SchemaFault[]): string {
  const values = all
    .filter((other) => other.keyword === 'const' && other.schemaPath.startsWith(`${fault.schemaPath}/anyOf/`))
    .map(({ params }) => JSON.stringify((params as { allowedValue?: unknown }).allowedValue));
  return values.length > 0 ? `must be one of ${values.join(', ')}` : 'has none of the forms that it may have';
}

/** Why one of several forms does not fit says nothing when none of them does. */
function isAlternative({ schemaPath }: SchemaFault, all: readonly SchemaFault[]): boolean {
  return all.some((other) => other.keyword === 'anyOf' && schemaPath.startsWith(`${other.schemaPath}/anyOf/`));
}

function unknownFields({ params }: SchemaFault): string {
  const { additionalProperties: names = [] } = params as { additionalProperties?: readonly string[] };
  return `has unknown fields: ${names
    .slice(0, 5)
    .map((name) => name.slice(0, 64))
    .join(', ')}`;
}

function fieldOf(instancePath: string): string {
  return instancePath === '' ? '/' : instancePath;
}

const kinds: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a string',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null',
};

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return String(value);
  return kinds[typeof value] ?? typeof value;
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return [...value].length;
  return Array.isArray(value) ? value.length : Object.keys(value as object).length;
}

function valueAt(value: unknown, pointer: string): unknown {
  let at = value;
  for (const part of pointer.split('/').slice(1)) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[part.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return at;
}
