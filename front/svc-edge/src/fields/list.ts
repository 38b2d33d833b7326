/** Members of a comma-separated list; commas inside quoted strings separate nothing, empty members count for nothing. RFC 9110, 5.6.1. */
export function splitList(value: string): string[] {
  if (!value.includes('"')) {
    return value
      .split(',')
      .map(trimBlank)
      .filter((member) => member !== '');
  }
  const members: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i <= value.length; i++) {
    const char = value[i];
    if (quoted && char === '\\') i++;
    else if (char === '"') quoted = !quoted;
    if (i >= value.length || (char === ',' && !quoted)) {
      const member = trimBlank(value.slice(start, i));
      if (member !== '') members.push(member);
      start = i + 1;
    }
  }
  return members;
}

/** Without the spaces and tabs around it: the only whitespace that HTTP knows. RFC 9110, 5.6.3. */
export function trimBlank(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The text of a quoted string, or undefined for what is none. RFC 9110, 5.6.4. */
export function unquote(text: string): string | undefined {
  const match = /^"((?:[^"\\]|\\.)*)"$/.exec(text);
  return match === null ? undefined : (match[1] as string).replace(/\\(.)/g, '$1');
}

export function isToken(text: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text);
}
