/** Fields of a message by lower-case name; a list holds the lines of a repeated field in their order. */
export type Fields = Readonly<Record<string, string | number | readonly string[] | undefined>>;

const none: readonly string[] = [];

export function linesOf(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  if (value === undefined) return none;
  if (typeof value === 'string') return [value];
  return typeof value === 'number' ? [String(value)] : value;
}

/** The combined value: lines joined in order with a comma. RFC 9110, 5.2. */
export function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : value.join(', ');
}

/** The first line: what counts of a field that must not be repeated, and was. RFC 9111, 4.2.1. */
export function firstLineOf(fields: Fields, name: string): string | undefined {
  return linesOf(fields, name)[0];
}

/** Lines that follow each other, as the adapters take them. */
export function toLines(fields: Fields): string[] {
  const lines: string[] = [];
  for (const name in fields) for (const line of linesOf(fields, name)) lines.push(name, line);
  return lines;
}
