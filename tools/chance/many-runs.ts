const id = '\0fast-check-times';
const real = import.meta.resolve('fast-check');

/** Everything of fast-check as it is, but for how often `assert` runs a property. */
const source = (times: number) => `
import fc from '${real}';
export * from '${real}';
const assert = (property, options = {}) =>
  fc.assert(property, { ...options, numRuns: (options.numRuns ?? 100) * ${times} });
export default { ...fc, assert };
`;

/** A plugin of Vite: who imports fast-check gets one that runs every property `times` as often. */
export function manyRuns(times: number) {
  return {
    name: 'many-runs',
    enforce: 'pre' as const,
    resolveId: (wanted: string) => (wanted === 'fast-check' ? id : undefined),
    load: (loaded: string) => (loaded === id ? source(times) : undefined),
  };
}
