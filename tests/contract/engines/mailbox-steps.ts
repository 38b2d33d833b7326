import fc from 'fast-check';

const dayMs = 86_400_000;
const box = fc.constantFrom('b', 'b', 'c');
const which = fc.nat({ max: 30 });
/** One step of a history: something that is asked, time, or a restart. */
export const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      box,
      key: fc.constantFrom(undefined, undefined, 'k', 'l'),
      digest: fc.constantFrom('same', 'same', 'same', 'other'),
      delayMs: fc.constantFrom(0, 0, 0, 500, 3_000),
      ttlMs: fc.constantFrom(undefined, undefined, 1_000, 5_000),
      deadOnExpiry: fc.boolean(),
      group: fc.constantFrom(undefined, undefined, 'g', 'h'),
      priority: fc.constantFrom(3, 3, 7),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('receive' as const),
      box,
      max: fc.integer({ min: 1, max: 4 }),
      bytesMax: fc.constantFrom(150, 250, 9_999),
      visibilityMs: fc.constantFrom(250, 1_000, 5_000),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      box,
      op: fc.constantFrom('ack' as const, 'nack' as const, 'nack' as const, 'release' as const, 'extend' as const),
      leases: fc.array(which, { minLength: 1, maxLength: 3 }),
      delayMs: fc.constantFrom(undefined, 0, 0, 700),
      visibilityMs: fc.constantFrom(250, 4_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'remove' as const,
        'redrive' as const,
        'redrive' as const,
        'purge' as const,
        'quarantine' as const,
      ),
      box,
      which: fc.option(which, { nil: undefined }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 10, 249, 250, 500, 700, 1_000, 4_000, 5_000, 70_000, dayMs),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      how: fc.constantFrom('stop' as const, 'kill' as const, 'power cut' as const),
      downMs: fc.constantFrom(0, 9_000),
    }),
  },
);
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
