import { resolvePath } from '../../packages.ts';
import { proseFiles, type Rule } from '../rule.ts';

/** Relative links of Markdown files lead somewhere. */
export const markdownLinks: Rule = {
  id: 'markdown-link',
  *check(tree) {
    const folders = new Set([...tree.paths].flatMap(parents));
    for (const file of proseFiles(tree)) {
      if (!file.path.endsWith('.md')) continue;
      const prose = file.text.replace(/^(```|~~~)[\s\S]*?^\1/gm, blankOf).replace(/`[^`\n]*`(?!\])/g, blankOf);
      const folder = file.path.split('/').slice(0, -1).join('/');
      for (const match of prose.matchAll(/\]\(\s*<?([^)>\s]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)/gm)) {
        const target = match[1] ?? match[2] ?? '';
        if (/^(?:[a-z][a-z0-9+.-]*:|#)/i.test(target)) continue;
        const [path = ''] = target.split('#');
        const resolved = resolvePath(target.startsWith('/') ? '' : folder, decodeURI(path));
        if (!tree.paths.has(resolved) && !folders.has(resolved)) {
          yield { path: file.path, line: file.lineAt(match.index), message: `${target} does not exist` };
        }
      }
    }
  },
};

function blankOf(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

function parents(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, index).join('/'));
}
