import type { Contract, HttpRoute, Operation } from '@ron/proto/contract';
import createRouter, { type HTTPMethod } from 'find-my-way';
import type { Dispatcher } from '../dispatcher.ts';
import { type FieldReader, fieldReadersOf } from './fields.ts';

/** A route with everything that a request on it needs, found once at start. */
export interface BoundRoute {
  readonly dispatcher: Dispatcher;
  readonly operationName: string;
  readonly operation: Operation;
  readonly route: HttpRoute;
  readonly fields: FieldReader;
}

export interface Match {
  readonly bound: BoundRoute;
  readonly params: Readonly<Record<string, string | undefined>>;
}

export interface RouteTable {
  find(method: string, target: string): Match | undefined;
  /** Methods that exist for the path; empty when there is no such path. */
  methodsOf(target: string): readonly string[];
}

const methods = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const paramBytesMax = 2_048;

export function createRouteTable(dispatchers: readonly Dispatcher[]): RouteTable {
  const router = createRouter({ caseSensitive: true, maxParamLength: paramBytesMax });
  for (const dispatcher of dispatchers) addRoutes(router, dispatcher);
  return {
    find: (method, target) =>
      matchOf(router, method, target) ?? (method === 'HEAD' ? headOf(router, target) : undefined),
    methodsOf(target) {
      const own = methods.filter((method) => matchOf(router, method, target) !== undefined);
      return own.includes('HEAD') || headOf(router, target) === undefined ? own : [...own, 'HEAD'];
    },
  };
}

type Router = ReturnType<typeof createRouter>;

function matchOf(router: Router, method: string, target: string): Match | undefined {
  const found = router.find(method as HTTPMethod, target);
  return found === null ? undefined : { bound: found.store as BoundRoute, params: found.params };
}

/** HEAD goes wherever GET goes (RFC 9110, 9.1). A JSON answer is small: it is made, and the adapter sends its head alone. */
function headOf(router: Router, target: string): Match | undefined {
  const match = matchOf(router, 'GET', target);
  return match?.bound.route.reply === 'json' ? match : undefined;
}

function addRoutes(router: Router, dispatcher: Dispatcher): void {
  for (const [operationName, operation] of Object.entries((dispatcher.contract as Contract).operations)) {
    for (const route of operation.http ?? []) {
      const star = route.path.indexOf('*');
      const path = star < 0 ? route.path : route.path.slice(0, star + 1);
      const bound: BoundRoute = {
        dispatcher,
        operationName,
        operation,
        route,
        fields: fieldReadersOf(operation, route, star < 0 ? undefined : route.path.slice(star + 1)),
      };
      router.on(route.method, path, unreachable, bound);
    }
  }
}

/** The router is asked with `find`; its own dispatching is not used. */
function unreachable(): never {
  throw new Error('routes are dispatched by the binding');
}
