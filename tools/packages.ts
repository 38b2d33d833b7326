import { builtinModules } from 'node:module';
import { isServiceName, type Layer, layers } from './layers.ts';
import type { TextFile, Tree } from './tree.ts';

/** One workspace package, as its manifest, its project file and its sources say. */
export interface Package {
  /** Without the scope: `svc-storage`. */
  readonly name: string;
  readonly folder: string;
  readonly layer: Layer;
  readonly isService: boolean;
  readonly exports: readonly string[];
  /** Full names from dependencies, optional and peer dependencies. */
  readonly dependencies: readonly string[];
  /** Full names; for tests only. */
  readonly devDependencies: readonly string[];
  /** Folders, resolved. */
  readonly references: readonly string[];
  readonly sources: readonly TextFile[];
}

export const scope = '@ron/';

export function readPackages(tree: Tree): readonly Package[] {
  const found: Package[] = [];
  for (const layer of layers) {
    const folders = new Set<string>();
    for (const path of tree.paths) {
      const match = layer.single ? /^([^/]+)\/package\.json$/ : /^([^/]+\/[^/]+)\/package\.json$/;
      const folder = match.exec(path)?.[1];
      if (folder !== undefined && (folder === layer.folder || folder.startsWith(`${layer.folder}/`)))
        folders.add(folder);
    }
    for (const folder of folders) found.push(readPackage(tree, layer, folder));
  }
  return found;
}

function readPackage(tree: Tree, layer: Layer, folder: string): Package {
  const manifest = readJson(tree, `${folder}/package.json`);
  const project = readJson(tree, `${folder}/tsconfig.json`);
  const name = String(manifest.name ?? folder).replace(scope, '');
  const exported = manifest.exports;
  const references = Array.isArray(project.references) ? (project.references as { path: string }[]) : [];
  return {
    name,
    folder,
    layer,
    isService: isServiceName(name),
    exports: typeof exported === 'object' && exported !== null ? Object.keys(exported) : ['.'],
    dependencies: ['dependencies', 'optionalDependencies', 'peerDependencies'].flatMap((field) =>
      Object.keys((manifest[field] as object | undefined) ?? {}),
    ),
    devDependencies: Object.keys((manifest.devDependencies as object | undefined) ?? {}),
    references: references.map((reference) => resolvePath(folder, reference.path)),
    sources: tree.files.filter((file) => file.isSource && file.path.startsWith(`${folder}/`)),
  };
}

export function readJson(tree: Tree, path: string): Record<string, unknown> {
  const text = tree.file(path)?.text;
  if (text === undefined) return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is not JSON`, { cause });
  }
}

/** `a/b` and `../c` make `a/c`. */
export function resolvePath(folder: string, relative: string): string {
  const parts = folder === '' ? [] : folder.split('/');
  for (const part of relative.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

// Searched in masked code, where a string is its quotes and blanks; the text comes from the same offsets.
const importPattern = /(?:\bfrom|\bimport)\s*(['"])( *)\1|\b(?:import|resolve)\s*\(\s*(['"])( *)\3/dg;

/** Every module that a file names: static, dynamic and re-exported, types included, and `…resolve('x')`. */
export function importsOf(file: TextFile): readonly Import[] {
  const found: Import[] = [];
  for (const match of file.code.matchAll(importPattern)) {
    const [from, to] = match.indices?.[2] ?? match.indices?.[4] ?? [0, 0];
    const specifier = file.text.slice(from, to);
    const isPath = match[4] !== undefined && !match[0].startsWith('import') && !specifier.startsWith('@');
    if (!isPath) found.push({ specifier, line: file.lineAt(from) });
  }
  return found;
}

const builtins = new Set(builtinModules);

export function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtins.has(specifier);
}

/** `@ron/proto/errors` → `@ron/proto`; undefined for relative paths, built-in modules and URLs. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('/') || isBuiltin(specifier) || specifier.includes(':')) {
    return undefined;
  }
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}
