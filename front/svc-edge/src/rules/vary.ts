import { type Fields, textOf } from '../fields/fields.ts';
import { splitList, trimBlank } from '../fields/list.ts';

/** Names of the fields that a response was chosen by, in lower case and in order; `*` is one that never matches. */
export function selectingNames(response: Fields, others: readonly string[] = []): readonly string[] {
  const vary = textOf(response, 'vary');
  if (vary === undefined) return others;
  return [...new Set([...splitList(vary).map((name) => name.toLowerCase()), ...others])].sort();
}

/** One text for all requests that select the same response. RFC 9111, 4.1. */
export function selectingKey(names: readonly string[], request: Fields): string {
  return names.map((name) => `${name}:${normalized(name, textOf(request, name)) ?? '\0absent'}`).join('\n');
}

/** Fields with preferences: their order means nothing, their letters are case-insensitive. RFC 9110, 12.5. */
const preferences = new Set(['accept', 'accept-charset', 'accept-encoding', 'accept-language']);
/** Fields that are no lists: a comma in them is a character like others. */
const notLists = new Set(['authorization', 'cookie', 'date', 'if-modified-since', 'referer', 'user-agent']);

function normalized(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (notLists.has(name)) return trimBlank(value);
  const members = splitList(value);
  if (!preferences.has(name)) return members.join(',');
  return members.map(normalizedPreference).sort().join(',');
}

function normalizedPreference(member: string): string {
  const [choice = '', ...parameters] = member.split(';').map((part) => part.trim().toLowerCase());
  const kept = parameters.filter((part) => !/^q=1(\.0*)?$/.test(part));
  return [choice, ...kept.map((part) => part.replace(/^(q=0\.\d*?)0+$/, '$1'))].join(';');
}

/**
 * A stored response in the language that a request likes best answers it, whatever other languages either request
 * names: the origin could do no better. Only where Accept-Language is the one field in which the requests differ.
 */
export function isPreferredLanguage(request: Fields, response: Fields): boolean {
  const content = textOf(response, 'content-language')?.toLowerCase();
  const accepted = textOf(request, 'accept-language');
  if (content === undefined || accepted === undefined || content.includes(',')) return false;
  let best: { language: string; weight: number } | undefined;
  let tied = false;
  for (const member of splitList(accepted)) {
    const [language = '', ...parameters] = member.split(';').map((part) => part.trim().toLowerCase());
    const quality = parameters.find((part) => part.startsWith('q='));
    const weight = quality === undefined ? 1 : Number(quality.slice(2));
    if (Number.isNaN(weight)) return false;
    if (best !== undefined && weight === best.weight) tied = true;
    if (best === undefined || weight > best.weight) {
      best = { language, weight };
      tied = false;
    }
  }
  return best !== undefined && !tied && best.weight > 0 && best.language === content.trim();
}
