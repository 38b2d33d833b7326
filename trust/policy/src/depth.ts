/**
 * Cedar's tokens as far as they matter here: texts, comments, brackets, the end of a rule, operators. A text without
 * an end takes all that is left: looking for another beginning in it would cost the square of its length. Conditions
 * count as operators, because Cedar joins all of a rule by `&&`.
 */
const token =
  /"(?:\\[\s\S]|[^"\\])*"?|\/\/[^\n\r]*|[([{]|[)\]}]|;|&&|\|\||[=!<>]=|[-+*!<>.]|\b(?:if|has|like|in|is|when|unless)\b/g;

/**
 * Whether a rule is more deeply built than Cedar can stand. Its parser and evaluator recurse on a stack of 1 MiB that
 * nothing guards: an overflow leaves the whole WebAssembly instance unusable, for every policy of the process. Measured
 * with 4.13: 100 nested brackets or 400 operators in a row overflow it, 50 and 200 do not.
 */
export function isTooDeep(text: string, nestingMax: number, operatorsMax: number): boolean {
  let nesting = 0;
  let operators = 0;
  for (const [found] of text.matchAll(token)) {
    if (found.startsWith('"') || found.startsWith('//')) continue;
    if ('([{'.includes(found)) nesting += 1;
    else if (')]}'.includes(found)) nesting -= 1;
    else if (found === ';') [nesting, operators] = [0, 0];
    else operators += 1;
    if (nesting > nestingMax || operators > operatorsMax) return true;
  }
  return false;
}
