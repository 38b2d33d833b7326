import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { maskCode, maskComments } from './mask.ts';

/** One text file. Paths are relative to the root, with `/`. The masked forms are made on first use. */
export class TextFile {
  readonly path: string;
  readonly text: string;
  #code: string | undefined;
  #uncommented: string | undefined;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  /** The source with comments and the insides of strings blanked; offsets and lines are those of `text`. */
  get code(): string {
    this.#code ??= maskCode(this.text);
    return this.#code;
  }

  /** The source with comments blanked and strings kept. */
  get uncommented(): string {
    this.#uncommented ??= maskComments(this.text);
    return this.#uncommented;
  }

  get isSource(): boolean {
    return /\.(ts|tsx|js|mjs)$/.test(this.path);
  }

  get isTest(): boolean {
    return /\.test\.tsx?$/.test(this.path);
  }

  lineAt(offset: number): number {
    let line = 1;
    for (let at = this.text.indexOf('\n'); at !== -1 && at < offset; at = this.text.indexOf('\n', at + 1)) line += 1;
    return line;
  }
}

/** What the checks look at: every path, and the text of the files that people write. */
export interface Tree {
  readonly paths: ReadonlySet<string>;
  readonly files: readonly TextFile[];
  file(path: string): TextFile | undefined;
}

export function makeTree(texts: Readonly<Record<string, string>>, otherPaths: readonly string[] = []): Tree {
  const files = Object.entries(texts).map(([path, text]) => new TextFile(path, text));
  const byPath = new Map(files.map((file) => [file.path, file]));
  return { paths: new Set([...byPath.keys(), ...otherPaths]), files, file: (path) => byPath.get(path) };
}

const skippedFolders = new Set(['node_modules', 'dist', 'coverage', '.git', '.stryker-tmp']);
const textPattern = /\.(ts|tsx|js|mjs|md|json|ya?ml|toml|sh|html|css|service|conf)$|(^|\/)(LICENSE|Dockerfile|run)$/;
/** Written by programs, not by people. */
const generatedPattern = /(^|\/)package-lock\.json$|\.golden\.(json|txt)$|(^|\/)vectors\/[^/]+\.json$/;
const textBytesMax = 2 * 1024 * 1024;

/** Reads the working tree below `root`. Symbolic links are not followed. */
export function readTree(root: string): Tree {
  const texts: Record<string, string> = {};
  const others: string[] = [];
  const visit = (folder: string): void => {
    for (const name of readdirSync(join(root, folder)).sort()) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const stat = lstatSync(join(root, path));
      if (stat.isDirectory()) {
        // `npm start -- --persist ./data` keeps a node's files beside the packages of the data layer.
        if (!skippedFolders.has(name) && (folder !== 'data' || name.startsWith('svc-'))) visit(path);
      } else if (stat.isFile() && stat.size <= textBytesMax && textPattern.test(path) && !generatedPattern.test(path)) {
        texts[path] = readFileSync(join(root, path), 'utf8');
      } else others.push(path);
    }
  };
  visit('');
  return makeTree(texts, others);
}
