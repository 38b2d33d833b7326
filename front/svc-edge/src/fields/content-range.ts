export interface ContentRange {
  readonly first: number;
  readonly last: number;
  /** Undefined where the origin does not know it: `*`. */
  readonly total: number | undefined;
}

/** Of one part of bytes; undefined for every other unit, for `*` in place of the part, and for what is not possible. RFC 9110, 14.4. */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match = value === undefined ? null : /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(value);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2]);
  const total = match[3] === '*' ? undefined : Number(match[3]);
  if (last < first || (total !== undefined && total <= last)) return undefined;
  return { first, last, total };
}

export function formatContentRange({ first, last, total }: ContentRange): string {
  return `bytes ${first}-${last}/${total ?? '*'}`;
}
