import type { Rule } from '../rule.ts';

export const components: readonly string[] = [
  'ron-kernel',
  'ron-bus',
  'ron-metrics',
  'ron-proto',
  'oap',
  'ron-app-sdk',
  'ron-transport',
  'svc-overlay',
  'svc-dht',
  'svc-storage',
  'svc-index',
  'ron-naming',
  'svc-gateway',
  'svc-edge',
  'ron-kms',
  'ron-auth',
  'svc-passport',
  'ron-policy',
  'ron-audit',
  'svc-registry',
  'omnigate',
  'micronode',
  'macronode',
  'svc-mailbox',
  'ryker',
];

/** The README's Project Structure names every component. */
export const readmeStructure: Rule = {
  id: 'readme-structure',
  *check(tree) {
    const text = tree.file('README.md')?.text ?? '';
    const heading = /^#{1,3} Project Structure\s*$/m.exec(text);
    if (heading === null) {
      yield { path: 'README.md', line: 1, message: 'needs a section "Project Structure"' };
      return;
    }
    const rest = text.slice(heading.index + heading[0].length);
    const end = rest.search(/^#{1,2} /m);
    const section = end === -1 ? rest : rest.slice(0, end);
    const line = text.slice(0, heading.index).split('\n').length;
    for (const name of components) {
      if (!new RegExp(`(?<![\\w-])${name}(?![\\w-])`).test(section)) {
        yield { path: 'README.md', line, message: `Project Structure does not name ${name}` };
      }
    }
  },
};
