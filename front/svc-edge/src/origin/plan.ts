import type { EdgeContext } from '../edge-context.ts';
import { isStrong } from '../fields/etag.ts';
import { firstLineOf, textOf } from '../fields/fields.ts';
import { type ByteRange, parseRange, resolveRanges } from '../fields/range.ts';
import type { Inquiry } from '../inquiry.ts';
import { conditionalNames, passesIfRange, validatorLines } from '../rules/conditions.ts';
import { judge } from '../rules/reuse.ts';
import type { Entry } from '../store/entry.ts';
import type { PartialBody } from '../store/partial-body.ts';

/** How to ask the origin, given what is stored. */
export interface Plan {
  readonly kind: 'plain' | 'validate' | 'complete';
  /** What the client selected, whatever becomes of it. */
  readonly selected: Entry | undefined;
  /** Stored responses that a 304 may be about. */
  readonly nominated: readonly Entry[];
  /** Fields of the client that the cache's own stand for. */
  readonly without: ReadonlySet<string>;
  readonly added: readonly string[];
  /** Of a `complete`: what is fetched, and all that the client wants. */
  readonly gap?: ByteRange;
  readonly wanted?: ByteRange;
}

const nothing: ReadonlySet<string> = new Set();

export function plainly(selected: Entry | undefined): Plan {
  return { kind: 'plain', selected, nominated: [], without: nothing, added: [] };
}

export function planFor(edge: EdgeContext, inquiry: Inquiry): Plan {
  const selected = edge.store.select(inquiry.key, inquiry.fields);
  if (selected === undefined || selected.isBroken) return planForOthers(edge, inquiry);
  if (selected.content.kind === 'partial') {
    return planToComplete(edge, inquiry, selected, selected.content.body) ?? plainly(selected);
  }
  const added = validatorLines([selected.fields]);
  if (added.length === 0) return plainly(selected);
  return { kind: 'validate', selected, nominated: [selected], without: conditionalNames, added };
}

/** Tags of other variants in one request. */
export const offeredMax = 8;

/** Variants that this request does not select may still be what the origin would send: their tags are offered. RFC 9111, 4.3.1. */
function planForOthers(edge: EdgeContext, inquiry: Inquiry): Plan {
  const others = edge.store.variants(inquiry.key).filter(isOffered).slice(0, offeredMax);
  for (const name of conditionalNames) if (inquiry.fields[name] !== undefined) return plainly(undefined);
  if (others.length === 0 || inquiry.method !== 'GET') return plainly(undefined);
  const added = validatorLines(others.map((entry) => ({ etag: entry.fields['etag'] })));
  return { kind: 'validate', selected: undefined, nominated: others, without: conditionalNames, added };
}

function isOffered(entry: Entry): boolean {
  return entry.content.kind === 'whole' && !entry.isBroken && entry.fields['etag'] !== undefined;
}

/**
 * Fetches only what is missing, when it is one piece. What is stale, or is to be put together with a new part, needs a
 * strong validator; with none the origin may still answer with the whole. RFC 9111, 3.4.
 */
function planToComplete(edge: EdgeContext, inquiry: Inquiry, selected: Entry, body: PartialBody): Plan | undefined {
  if (inquiry.method !== 'GET' || body.end !== body.total - 1) return undefined;
  const etag = firstLineOf(selected.fields, 'etag');
  const strong = etag !== undefined && isStrong(etag);
  const fresh = judge(selected.holding(edge.clock.monotonicMs()), inquiry.directives) === 'fresh';
  const field = textOf(inquiry.fields, 'range');
  const wanted = wantedOf(edge, inquiry, selected, body, field);
  if (wanted === undefined || (!strong && (!fresh || field !== undefined))) return undefined;
  const gaps = body.missing(wanted);
  const [gap] = gaps;
  if (gap === undefined || gaps.length > 1 || (gap.first === wanted.first && gap.last === wanted.last))
    return undefined;
  const range = `bytes=${gap.first}-${gap.last === body.total - 1 ? '' : gap.last}`;
  const added = strong ? ['range', range, 'if-range', etag] : ['range', range];
  return { kind: 'complete', selected, nominated: [], without: conditionalNames, added, gap, wanted };
}

function wantedOf(
  edge: EdgeContext,
  inquiry: Inquiry,
  selected: Entry,
  body: PartialBody,
  field: string | undefined,
): ByteRange | undefined {
  const all = { first: 0, last: body.total - 1 };
  const asked = parseRange(field);
  if (asked === undefined) return field === undefined ? all : undefined;
  if (!passesIfRange(inquiry.fields, selected.fields, edge.clock.wallMs())) return undefined;
  const ranges = resolveRanges(asked, body.total);
  return ranges.length === 1 ? ranges[0] : undefined;
}
