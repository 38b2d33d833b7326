import { SLICE_MEDIA_TYPE } from '@ron/b3';

/**
 * Whether an `Accept` header (RFC 9110, section 12.5.1) asks for the verified slice rather than for the bytes: it
 * must name the slice's type, with a quality above zero and not below that of the bytes' own type.
 */
export function prefersSlice(accept: string | undefined, contentType: string): boolean {
  if (accept === undefined || !accept.includes(SLICE_MEDIA_TYPE)) return false;
  const semicolon = contentType.indexOf(';');
  const type = semicolon < 0 ? contentType : contentType.slice(0, semicolon);
  const bytesRanges = [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*'];
  const quality = new Map<string, number>();
  for (const member of accept.split(',')) {
    const [range, ...parameters] = member.split(';');
    quality.set(range!.trim().toLowerCase(), qualityOf(parameters));
  }
  const slice = quality.get(SLICE_MEDIA_TYPE) ?? 0;
  const mostSpecific = bytesRanges.find((range) => quality.has(range));
  return slice > 0 && slice >= (mostSpecific === undefined ? 0 : quality.get(mostSpecific)!);
}

const weight = /^\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*$/i;

function qualityOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const match = weight.exec(parameter);
    if (match !== null) return Number(match[1]);
  }
  return 1;
}
