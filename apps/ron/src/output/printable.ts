/** Controls, separators and bidirectional marks, but not tab and line feed. */
const control = /[[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]--[\t\n]]/gv;

/** Text from elsewhere for a terminal: what would move the cursor, set colours or reorder letters is shown as a code. */
export function printable(text: string): string {
  return text.replace(control, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Whether bytes can be shown on a terminal without harm: text without control characters. */
export function isTextual(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return text.replaceAll('\r\n', '\n').search(control) < 0;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
