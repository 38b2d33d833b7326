import type { CedarEntity, CedarExpr } from './cedar.ts';
import { type Facts, isIn, kindOf, type Role, roleId, roleIs } from './facts.ts';

/**
 * Cedar conditions as functions. A call into Cedar costs 80 µs before it looks at a rule and some 3 µs for each rule,
 * so what conditions usually say is decided here, by Cedar's own semantics; whatever else they say is left to Cedar.
 * The tests compare both on random rules.
 */
export type Condition = (facts: Facts) => boolean;

/** Cedar's evaluation error: wrong type, missing attribute. One instance, since only its being thrown says anything. */
const notEvaluable = new Error('the rule cannot be evaluated');

type Value = boolean | number | string | CedarEntity;
type Compiled = (facts: Facts) => Value;

const attributes: Readonly<Record<string, Readonly<Record<string, (facts: Facts) => string>>>> = {
  principal: {
    tenant: (facts) => facts.tenant,
    subject: (facts) => facts.subject,
    capability_id: (facts) => facts.capabilityId,
  },
  action: {},
  resource: { path: (facts) => facts.resource, kind: (facts) => kindOf(facts.resource) },
  context: { op: (facts) => facts.op },
};

/** Undefined: only Cedar itself can say. */
export function compileCondition(expr: CedarExpr): Condition | undefined {
  const compiled = compile(expr);
  return compiled && ((facts) => asBoolean(compiled(facts)));
}

/** The operands of an operator, by their names in Cedar's JSON form; which are there depends on the operator. */
interface Operands {
  readonly left: CedarExpr;
  readonly right: CedarExpr;
  readonly arg: CedarExpr;
  readonly attr: unknown;
  readonly pattern: readonly ('Wildcard' | { readonly Literal: string })[];
  readonly entity_type: unknown;
  readonly in?: CedarExpr;
  readonly if: CedarExpr;
  readonly then: CedarExpr;
  readonly else: CedarExpr;
}

function compile(expr: CedarExpr): Compiled | undefined {
  const [[operator, operand] = ['', undefined]] = Object.entries(expr);
  const fields = operand as Operands;
  switch (operator) {
    case 'Value':
      return literal(operand);
    case 'Var':
      return variable(operand);
    case '.':
    case 'has':
      return attribute(operator, fields.left, fields.attr);
    case '!':
      return unary(fields.arg, (value) => !asBoolean(value));
    case '&&':
    case '||':
      return logical(operator, fields.left, fields.right);
    case '==':
      return binary(fields.left, fields.right, isSame);
    case '!=':
      return binary(fields.left, fields.right, (left, right) => !isSame(left, right));
    case '<':
    case '<=':
    case '>':
    case '>=':
      return compare(operator, fields.left, fields.right);
    case 'like':
      return like(fields.left, fields.pattern);
    case 'is':
      return isOfType(fields.left, fields.entity_type, fields.in);
    case 'in':
      return within(fields.left, fields.right);
    case 'contains':
      return contains(fields.left, fields.right);
    case 'if-then-else':
      return choice(fields.if, fields.then, fields.else);
    default:
      return undefined;
  }
}

function literal(value: unknown): Compiled | undefined {
  if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') return () => value;
  const entity = entityOf(value);
  return entity && (() => entity);
}

function entityOf(value: unknown): CedarEntity | undefined {
  return (value as { readonly __entity?: CedarEntity } | null)?.__entity;
}

const roles: Readonly<Record<string, string>> = { principal: 'Subject', action: 'Action', resource: 'Resource' };

function variable(name: unknown): Compiled | undefined {
  const type = roles[name as string];
  if (type === undefined) return undefined;
  return (facts) => ({ type, id: roleId(name as Role, facts) });
}

function attribute(operator: '.' | 'has', left: CedarExpr, name: unknown): Compiled | undefined {
  const known = attributes[left['Var'] as string];
  if (known === undefined || typeof name !== 'string') return undefined;
  const read = Object.hasOwn(known, name) ? known[name] : undefined;
  if (operator === 'has') return () => read !== undefined;
  return read ?? (() => raise());
}

function unary(arg: CedarExpr, apply: (value: Value) => Value): Compiled | undefined {
  const inner = compile(arg);
  return inner && ((facts) => apply(inner(facts)));
}

function binary(left: CedarExpr, right: CedarExpr, apply: (left: Value, right: Value) => Value): Compiled | undefined {
  const [a, b] = [compile(left), compile(right)];
  return a && b && ((facts) => apply(a(facts), b(facts)));
}

function logical(operator: '&&' | '||', left: CedarExpr, right: CedarExpr): Compiled | undefined {
  const [a, b] = [compile(left), compile(right)];
  if (a === undefined || b === undefined) return undefined;
  if (operator === '&&') return (facts) => asBoolean(a(facts)) && asBoolean(b(facts));
  return (facts) => asBoolean(a(facts)) || asBoolean(b(facts));
}

function compare(operator: '<' | '<=' | '>' | '>=', left: CedarExpr, right: CedarExpr): Compiled | undefined {
  return binary(left, right, (a, b) => {
    if (typeof a !== 'number' || typeof b !== 'number') return raise();
    return operator === '<' ? a < b : operator === '<=' ? a <= b : operator === '>' ? a > b : a >= b;
  });
}

function isOfType(left: CedarExpr, type: unknown, above: CedarExpr | undefined): Compiled | undefined {
  const role = left['Var'] as Role;
  if (!Object.hasOwn(roles, role)) return undefined;
  const inside = above === undefined ? () => true : within(left, above);
  return inside && ((facts) => roleIs(role, type as string) && asBoolean(inside(facts)));
}

function within(left: CedarExpr, right: CedarExpr): Compiled | undefined {
  const role = left['Var'] as Role;
  if (!Object.hasOwn(roles, role)) return undefined;
  const items = (right['Set'] as readonly CedarExpr[] | undefined) ?? [right];
  const entities = items.map((item) => entityOf(item['Value']));
  if (!entities.every((entity) => entity !== undefined)) return undefined;
  return (facts) => entities.some((entity) => isIn(role, facts, entity));
}

function contains(left: CedarExpr, right: CedarExpr): Compiled | undefined {
  const wanted = compile(right);
  const items = (left['Set'] as readonly CedarExpr[] | undefined)?.map((item) => literal(item['Value']));
  if (wanted === undefined || items === undefined || !items.every((item) => item !== undefined)) return undefined;
  return (facts) => {
    const value = wanted(facts);
    return items.some((item) => isSame(item(facts), value));
  };
}

function choice(test: CedarExpr, yes: CedarExpr, no: CedarExpr): Compiled | undefined {
  const [condition, then, otherwise] = [compile(test), compile(yes), compile(no)];
  if (condition === undefined || then === undefined || otherwise === undefined) return undefined;
  return (facts) => (asBoolean(condition(facts)) ? then(facts) : otherwise(facts));
}

/** `*` takes any number of characters, the others stand for themselves. */
function like(left: CedarExpr, pattern: Operands['pattern']): Compiled | undefined {
  const pieces = [''];
  for (const element of pattern) {
    if (element === 'Wildcard') pieces.push('');
    else pieces[pieces.length - 1] += element.Literal;
  }
  return unary(left, (value) => (typeof value === 'string' ? matches(value, pieces) : raise()));
}

/** The first piece starts the text, the last ends it, the ones between are found from left to right, each once. */
function matches(text: string, pieces: readonly string[]): boolean {
  const [first = '', last = ''] = [pieces[0], pieces.at(-1)];
  if (pieces.length === 1) return text === first;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

function isSame(left: Value, right: Value): boolean {
  if (typeof left !== 'object' || typeof right !== 'object') return left === right;
  return left.type === right.type && left.id === right.id;
}

function asBoolean(value: Value): boolean {
  return typeof value === 'boolean' ? value : raise();
}

function raise(): never {
  throw notEvaluable;
}
