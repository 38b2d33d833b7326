import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BoxLinks, BoxList, type LaneLinks, LaneList } from './message-list.ts';

class Item implements LaneLinks<Item>, BoxLinks<Item> {
  lane: LaneList<Item> | undefined = undefined;
  lanePrev: Item | undefined = undefined;
  laneNext: Item | undefined = undefined;
  boxList: BoxList<Item> | undefined = undefined;
  boxPrev: Item | undefined = undefined;
  boxNext: Item | undefined = undefined;
}

interface List {
  readonly first: Item | undefined;
  readonly last: Item | undefined;
  readonly length: number;
  push(item: Item): void;
  insertAfter?(previous: Item | undefined, item: Item): void;
  unshift?(item: Item): void;
  remove(item: Item): void;
}

/** Two lists of each kind, and how to walk them. */
function createLists() {
  const lane = { next: (item: Item) => item.laneNext, prev: (item: Item) => item.lanePrev, kind: 'lane' } as const;
  const box = { next: (item: Item) => item.boxNext, prev: (item: Item) => item.boxPrev, kind: 'box' } as const;
  return [
    { list: new LaneList<Item>() as List, ...lane },
    { list: new LaneList<Item>() as List, ...lane },
    { list: new BoxList<Item>() as List, ...box },
    { list: new BoxList<Item>() as List, ...box },
  ].map((each) => ({ ...each, model: [] as Item[] }));
}

function walk(from: Item | undefined, step: (item: Item) => Item | undefined): Item[] {
  const items: Item[] = [];
  for (let item = from; item !== undefined; item = step(item)) items.push(item);
  return items;
}

test('lists of both kinds behave as arrays, share their items, and refuse what an array would not have', () => {
  const action = fc.record({
    list: fc.nat({ max: 3 }),
    item: fc.nat({ max: 7 }),
    kind: fc.constantFrom('push', 'put', 'remove'),
    // The box list takes an item anywhere, the lane at its ends.
    after: fc.nat({ max: 8 }),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const lists = createLists();
      const items = Array.from({ length: 8 }, () => new Item());
      for (const { list: which, item: index, kind, after } of actions) {
        const chosen = lists[which]!;
        const item = items[index]!;
        const { list, model } = chosen;
        if (kind === 'remove') {
          if (model.includes(item)) {
            list.remove(item);
            model.splice(model.indexOf(item), 1);
          } else expect(() => list.remove(item)).toThrow('is not in this');
        } else if (lists.some((each) => each.kind === chosen.kind && each.model.includes(item))) {
          expect(() => list.push(item)).toThrow('already');
        } else if (kind === 'push') {
          list.push(item);
          model.push(item);
        } else if (list.insertAfter === undefined) {
          list.unshift?.(item);
          model.unshift(item);
        } else {
          const at = Math.min(after, model.length);
          list.insertAfter(model[at - 1], item);
          model.splice(at, 0, item);
        }
        for (const each of lists) {
          const indices = each.model.map((member) => items.indexOf(member));
          const indicesOf = (members: Item[]) => members.map((member) => items.indexOf(member));
          expect(indicesOf(walk(each.list.first, each.next))).toEqual(indices);
          expect(indicesOf(walk(each.list.last, each.prev).reverse())).toEqual(indices);
          expect(each.list.length).toBe(indices.length);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('an item that left a list holds on to nothing', () => {
  for (const { list, next, prev } of createLists()) {
    const items = [new Item(), new Item(), new Item()];
    for (const item of items) list.push(item);
    list.remove(items[1]!);
    expect([next(items[1]!), prev(items[1]!), items[1]!.lane, items[1]!.boxList]).toEqual(Array(4).fill(undefined));
  }
});
