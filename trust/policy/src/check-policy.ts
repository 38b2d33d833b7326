import { RonError } from '@ron/proto/errors';
import type { CedarPolicy, CedarScope, ParsedRule } from './cedar.ts';
import { readPolicy } from './check.ts';
import type { PolicyDocument } from './document.ts';
import { RuleSet } from './rule-set.ts';

export interface CheckResult {
  /** There when nothing is wrong. */
  readonly document?: PolicyDocument;
  readonly problems: readonly string[];
  /** Rules that are valid and say nothing: they name what no request has. */
  readonly warnings: readonly string[];
  readonly rules: number;
}

const entityTypes = {
  principal: ['Subject', 'Tenant'],
  action: ['Action'],
  resource: ['Resource'],
} as const;
const actions: ReadonlySet<string> = new Set(['read', 'write', 'delete', 'list', 'admin']);

/** Everything that can be said of a document before it is signed: fields, and rules when the fields are right. */
export async function checkPolicy(value: unknown): Promise<CheckResult> {
  const { document, problems } = readPolicy(value);
  if (document === undefined) return { problems, warnings: [], rules: 0 };
  try {
    const set = await RuleSet.create(document.rules ?? '');
    set.dispose();
    const { rules } = set;
    return { document, problems: [], warnings: rules.flatMap(warningsOf), rules: rules.length };
  } catch (error) {
    if (!(error instanceof RonError)) throw error;
    return { problems: [error.message], warnings: [], rules: 0 };
  }
}

function warningsOf({ name, cedar }: ParsedRule): readonly string[] {
  return (['principal', 'action', 'resource'] as const).flatMap((role) => {
    const why = cannotFit(role, cedar);
    return why === undefined ? [] : [`rules.${name}: never applies: ${why}`];
  });
}

function cannotFit(role: keyof typeof entityTypes, cedar: CedarPolicy): string | undefined {
  const scope: CedarScope = cedar[role];
  const known: readonly string[] = entityTypes[role];
  const named = [
    ...(scope.entity ? [scope.entity] : []),
    ...(scope.entities ?? []),
    ...(scope.in ? [scope.in.entity] : []),
  ];
  const strange = [...named.map(({ type }) => type), scope.entity_type].find(
    (type) => type !== undefined && !known.includes(type),
  );
  if (strange !== undefined) return `${role} is ${known.join(' or ')}, not ${strange}`;
  if (role !== 'action') return undefined;
  const unknown = named.find(({ id }) => !actions.has(id));
  return unknown && `the actions are ${[...actions].join(', ')}, not ${unknown.id}`;
}
