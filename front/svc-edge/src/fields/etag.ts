/** Entity tags are compared as they were sent: a malformed one equals itself and nothing else. RFC 9110, 8.8.3. */
function isWeak(etag: string): boolean {
  return etag.startsWith('W/');
}

/** RFC 9110, 8.8.3.2: both are strong and the same. */
export function matchesStrongly(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && a === b && isStrong(a);
}

/** The same but for the mark of weakness. */
export function matchesWeakly(a: string, b: string): boolean {
  return withoutMark(a) === withoutMark(b);
}

/** Well formed and not weak: proof of equal bytes. */
export function isStrong(etag: string): boolean {
  return /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag);
}

function withoutMark(etag: string): string {
  return isWeak(etag) ? etag.slice(2) : etag;
}

/** Members of an If-None-Match value; a tag may hold commas. What is not well formed is kept up to the next comma. */
export function parseEtagList(value: string): string[] {
  return value.match(/(?:W\/)?"[^"]*"|[^\s,][^,]*/g)?.map((tag) => tag.trim()) ?? [];
}
