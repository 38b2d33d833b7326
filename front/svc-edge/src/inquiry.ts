import type { HttpRequest } from '@ron/kernel';
import type { EdgeContext } from './edge-context.ts';
import { type Fields, toLines } from './fields/fields.ts';
import { linesWithoutForwarded, withoutForwarded } from './rules/forwarded.ts';
import { type RequestDirectives, readRequestDirectives } from './rules/request-directives.ts';

/** A client's request, read once. */
export interface Inquiry {
  readonly request: HttpRequest;
  readonly method: string;
  readonly target: string;
  /** What the cache calls the resource. */
  readonly key: string;
  /** Of GET and HEAD without what claims another way, host or method, unless the operator wants these passed on. */
  readonly fields: Fields;
  /** As received, but for the same. */
  readonly lines: readonly string[];
  readonly directives: RequestDirectives;
  readonly hasContent: boolean;
}

export function readInquiry(edge: Pick<EdgeContext, 'keepHost' | 'passForwarded'>, request: HttpRequest): Inquiry {
  const { method, target, headers } = request;
  const length = headers['content-length'];
  const fields = edge.passForwarded || (method !== 'GET' && method !== 'HEAD') ? headers : withoutForwarded(headers);
  const lines = request.fieldLines ?? toLines(headers);
  return {
    request,
    method,
    target,
    key: keyOf(edge, headers['host'], target),
    fields,
    lines: fields === headers ? lines : linesWithoutForwarded(lines),
    directives: readRequestDirectives(headers),
    hasContent: headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0'),
  };
}

/** With one host for all, a client's Host field must not be able to split or to poison what is stored. */
export function keyOf({ keepHost }: Pick<EdgeContext, 'keepHost'>, host: string | undefined, target: string): string {
  return keepHost ? `${host?.toLowerCase() ?? ''} ${target}` : target;
}
