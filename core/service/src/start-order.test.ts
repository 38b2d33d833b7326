import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Service } from './define.ts';
import { startOrder } from './start-order.ts';

function service(name: string, uses: readonly string[] = []): Service {
  const contract = (of: string) => ({ name: of, app: 1, operations: {} });
  return {
    contract: contract(name),
    uses: Object.fromEntries(uses.map((used) => [used, contract(used)])),
  } as never;
}

const names = (services: readonly Service[]) => services.map(({ contract }) => contract.name);

test('whatever is used starts before who uses it', () => {
  const graph = fc.array(fc.array(fc.nat(9), { maxLength: 4 }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(graph, fc.nat(), (edges, shift) => {
      // Edges to lower numbers only, so that there is no circle; the order given is another.
      const services = edges.map((to, from) =>
        service(
          `s${from}`,
          to.filter((other) => other < from).map((n) => `s${n}`),
        ),
      );
      const given = services.map((_, index) => services[(index + shift) % services.length]!);
      const order = names(startOrder(given));
      expect([...order].sort()).toEqual(names(services).sort());
      for (const { contract, uses } of services) {
        for (const used of Object.keys(uses)) {
          expect(order.indexOf(used)).toBeLessThan(order.indexOf(contract.name));
        }
      }
    }),
  );
});

test('circles, absent services and double names are refused', () => {
  expect(() => startOrder([service('a', ['b']), service('b', ['a'])])).toThrow('a → b → a');
  expect(() => startOrder([service('a', ['a'])])).toThrow('a → a');
  expect(() => startOrder([service('a', ['b'])])).toThrow('a uses b, which is not among the services');
  expect(() => startOrder([service('a'), service('a')])).toThrow('the same name');
});
