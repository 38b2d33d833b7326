type Calls = Readonly<Record<string, (...args: never[]) => unknown>>;

/**
 * A group of calls whose code is loaded with the first of them, so that a page that makes none does not pay for it. All
 * of them answer with promises, but those in `iterating`, which answer with async iterables.
 */
export function lazyCalls<T extends object>(load: () => Promise<T>, iterating: readonly (keyof T & string)[]): T {
  const call = (name: string, args: readonly unknown[]) =>
    load().then((loaded) => (loaded as Calls)[name]!(...(args as never[])));
  async function* iterate(name: string, args: readonly unknown[]): AsyncGenerator<unknown> {
    yield* (await call(name, args)) as AsyncIterable<unknown>;
  }
  const lists = new Set<string>(iterating);
  return new Proxy({} as T, {
    get(_target, name) {
      // Not awaited by accident: a group of calls is no promise.
      if (typeof name !== 'string' || name === 'then') return undefined;
      return (...args: unknown[]) => (lists.has(name) ? iterate(name, args) : call(name, args));
    },
  });
}
