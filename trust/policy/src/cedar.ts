import { RonError } from '@ron/proto/errors';
import { isTooDeep } from './depth.ts';
import { documentLimits } from './document.ts';

/** The parts of Cedar's JSON form of a policy that are read here (https://docs.cedarpolicy.com/policies/json-format.html). */
export interface CedarPolicy {
  readonly effect: 'permit' | 'forbid';
  readonly principal: CedarScope;
  readonly action: CedarScope;
  readonly resource: CedarScope;
  readonly conditions: readonly { readonly kind: 'when' | 'unless'; readonly body: CedarExpr }[];
  readonly annotations?: Readonly<Record<string, string | null>>;
}

export interface CedarEntity {
  readonly type: string;
  readonly id: string;
}

export interface CedarScope {
  readonly op: 'All' | '==' | 'in' | 'is';
  readonly entity?: CedarEntity;
  readonly entities?: readonly CedarEntity[];
  readonly entity_type?: string;
  readonly in?: { readonly entity: CedarEntity };
}

/** One operator with its operands: `{"==": {left, right}}`. */
export type CedarExpr = Readonly<Record<string, unknown>>;

/** One rule of a document. */
export interface ParsedRule {
  /** Its `@id` annotation, or `policy<n>` by its place in the text, from 0. */
  readonly name: string;
  readonly text: string;
  readonly cedar: CedarPolicy;
}

type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs');

let loaded: Promise<Cedar> | undefined;

/** 4 MB of WebAssembly: only for who has rules. */
export function loadCedar(): Promise<Cedar> {
  loaded ??= import('@cedar-policy/cedar-wasm/nodejs');
  return loaded;
}

/** Rules parsed without letting go of the event loop: about 5 ms. */
const ruleBatch = 25;

/**
 * The rules of a Cedar text, in its order. `bad_request` for what does not parse, for templates, for integers beyond
 * 2^53 (their JSON form is not exact), for an `@id` that is too long or stands twice, and past 10,000 rules. Waits for `pause` now and then, so that a long text
 * does not stop everything else.
 */
export async function parseRules(
  text: string,
  pause: () => Promise<void> = async () => undefined,
): Promise<ParsedRule[]> {
  if (text.trim() === '') return [];
  const { ruleNestingMax, ruleOperatorsMax } = documentLimits;
  if (isTooDeep(text, ruleNestingMax, ruleOperatorsMax)) {
    return refuseRules(`a rule nests at most ${ruleNestingMax} deep and has at most ${ruleOperatorsMax} operators`);
  }
  const cedar = await loadCedar();
  const parts = cedar.policySetTextToParts(text);
  if (parts.type === 'failure') return refuseRules(describe(parts.errors[0]));
  if (parts.policy_templates.length > 0) return refuseRules('templates are not supported');
  if (parts.policies.length > documentLimits.rulesMax)
    return refuseRules(`a policy has at most ${documentLimits.rulesMax} rules`);
  const places = placesOf(parts.policies.length);
  const rules: ParsedRule[] = [];
  for (const [index, policy] of parts.policies.entries()) {
    if (index % ruleBatch === ruleBatch - 1) await pause();
    const place = places[index] as number;
    const answer = cedar.policyToJson(policy);
    if (answer.type === 'failure') return refuseRules(`policy${place}: ${describe(answer.errors[0])}`);
    const json: unknown = answer.json;
    const parsed = json as CedarPolicy;
    if (!isExact(parsed)) return refuseRules(`policy${place}: integers are at most 2^53 - 1`);
    const name = parsed.annotations?.['id'] || `policy${place}`;
    if (name.length > documentLimits.ruleNameMax)
      return refuseRules(`policy${place}: its @id has at most 128 characters`);
    rules[place] = { name, text: policy, cedar: parsed };
  }
  const names = new Set<string>();
  for (const { name } of rules) {
    // Who reads a refusal, a widening or a difference could not tell the two apart.
    if (names.has(name)) return refuseRules(`two rules have the @id "${name}"`);
    names.add(name);
  }
  return rules;
}

/** Cedar names the policies of a text `policy0` and so on, and hands them out in the order of these names. */
function placesOf(count: number): readonly number[] {
  return Array.from({ length: count }, (_, place) => place).sort((a, b) => (`${a}` < `${b}` ? -1 : 1));
}

function isExact(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(isExact);
}

function describe(error: { readonly message: string; readonly sourceLocations?: readonly unknown[] } | undefined) {
  const [place] = (error?.sourceLocations ?? []) as readonly { readonly start?: number; readonly label?: string }[];
  const where = place?.start === undefined ? '' : ` at character ${place.start}`;
  return `${error?.message ?? 'not Cedar'}${where}${place?.label ? ` (${place.label})` : ''}`;
}

/** `bad_request`: what is wrong with the rules of a document. */
export function refuseRules(message: string): never {
  const problem = `rules: ${message.slice(0, 500)}`;
  throw new RonError('bad_request', problem, { details: { reason: 'malformed', problems: [problem] } });
}
