/** Blanks comments, and the insides of string, template and regular expression literals, in place. */
export function maskCode(text: string): string {
  return mask(text, true);
}

/** Blanks comments only. */
export function maskComments(text: string): string {
  return mask(text, false);
}

/** After one of these a slash begins a regular expression, not a division. */
const beforeRegex =
  /(?:^|[([{,;=:!&|?+\-*%~^<>}]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|await|yield))\s*$/;

function mask(text: string, strings: boolean): string {
  const out = text.split('');
  const blank = (from: number, to: number): void => {
    for (let at = from; at < to; at += 1) if (out[at] !== '\n') out[at] = ' ';
  };
  // Depth of braces inside each open `${`, innermost last.
  const templates: number[] = [];
  let at = 0;
  const literal = (end: number): void => {
    if (strings) blank(at + 1, end - 1);
    at = end;
  };
  /** From inside a template's text to its end or its next `${`. */
  const templateText = (from: number): void => {
    const end = templateEnd(text, from);
    if (strings) blank(from, end.at);
    if (end.open) templates.push(0);
    at = end.at + (end.open ? 2 : 1);
  };
  while (at < text.length) {
    const here = text[at]!;
    const next = text[at + 1];
    if (here === '/' && next === '/') {
      const end = endOf(text, '\n', at);
      blank(at, end);
      at = end;
    } else if (here === '/' && next === '*') {
      const end = Math.min(text.length, endOf(text, '*/', at + 2) + 2);
      blank(at, end);
      at = end;
    } else if (here === "'" || here === '"') literal(quoteEnd(text, at));
    else if (here === '`') templateText(at + 1);
    else if (here === '/' && beforeRegex.test(text.slice(Math.max(0, at - 60), at))) literal(regexEnd(text, at));
    else {
      const depth = templates.length - 1;
      if (here === '{' && depth >= 0) templates[depth]! += 1;
      if (here === '}' && depth >= 0) {
        if (templates[depth] === 0) {
          templates.pop();
          templateText(at + 1);
          continue;
        }
        templates[depth]! -= 1;
      }
      at += 1;
    }
  }
  return out.join('');
}

function endOf(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from);
  return found === -1 ? text.length : found;
}

/** Just past the closing quote, or the end of an unclosed line. */
function quoteEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === text[start]) return at + 1;
    else if (text[at] === '\n') return at;
  }
  return text.length;
}

function regexEnd(text: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < text.length; at += 1) {
    const here = text[at];
    if (here === '\\') at += 1;
    else if (here === '\n') return start + 1;
    else if (here === '[') inClass = true;
    else if (here === ']') inClass = false;
    else if (here === '/' && !inClass) return at + 1;
  }
  return start + 1;
}

function templateEnd(text: string, from: number): { readonly at: number; readonly open: boolean } {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '`') return { at, open: false };
    else if (text[at] === '$' && text[at + 1] === '{') return { at, open: true };
  }
  return { at: text.length, open: false };
}
