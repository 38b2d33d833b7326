import { edges, isServiceName } from '../layers.ts';
import {
  type Import,
  importsOf,
  isBuiltin,
  type Package,
  packageOf,
  readJson,
  readPackages,
  scope,
} from '../packages.ts';
import type { TextFile, Tree } from '../tree.ts';

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

/** The dependency rules of ARCHITECTURE.md over the whole tree. An empty list is a pass. */
export function checkLayers(tree: Tree): readonly Finding[] {
  const packages = readPackages(tree);
  const byName = new Map(packages.map((item) => [item.name, item]));
  const rootDevelopment = new Set(Object.keys((readJson(tree, 'package.json').devDependencies as object) ?? {}));
  return packages.flatMap((item) => [
    ...checkManifest(item, byName, rootDevelopment),
    ...item.sources.flatMap((file) => checkFile(item, file, byName)),
    ...checkRoot(tree, item),
  ]);
}

/** Why `from` may not import `to`, or undefined when it may. */
export function refusal(from: Package, to: Package): string | undefined {
  if (from.name === to.name) return undefined;
  if (from.isService && to.isService) return 'a service never imports a service: name its contract in `uses`';
  if (to.isService && (!from.layer.composes || from.layer.folder === 'apps')) {
    return 'only profiles, tests, examples and bench import a service';
  }
  if (from.layer.only !== undefined && !from.layer.only.includes(to.layer.folder)) {
    return `${from.layer.folder} imports ${from.layer.only.join(', ')} only`;
  }
  if (to.layer.level < from.layer.level) return undefined;
  if (to.layer.level > from.layer.level) {
    return `imports go down only: ${from.layer.folder} is below ${to.layer.folder}`;
  }
  if (edges[from.name]?.includes(to.name)) return undefined;
  return `no edge ${from.name} → ${to.name} inside this layer: move the code down, or add the edge to tools/layers.ts`;
}

function checkManifest(
  item: Package,
  byName: ReadonlyMap<string, Package>,
  rootDevelopment: ReadonlySet<string>,
): readonly Finding[] {
  const findings: Finding[] = [];
  const say = (file: string, rule: string, message: string) =>
    findings.push({ path: `${item.folder}/${file}`, line: 1, rule, message });
  if (item.isService && (item.exports.length !== 1 || item.exports[0] !== './service')) {
    say('package.json', 'service-exports', 'a service exports "./service" and nothing else');
  }
  const used = usedPackages(item, rootDevelopment);
  const inProduct = new Set(
    usedPackages({ ...item, sources: item.sources.filter((file) => !file.isTest) }, rootDevelopment).keys(),
  );
  const declared = new Set([...item.dependencies, ...item.devDependencies]);
  for (const name of item.devDependencies) {
    if (inProduct.has(name)) say('package.json', 'declared', `${name} is used outside tests: make it a dependency`);
  }
  for (const [name, file] of used) {
    if (!declared.has(name)) say('package.json', 'declared', `${name} is imported by ${file} but not a dependency`);
  }
  const wanted = new Set<string>();
  for (const name of declared) {
    if (!used.has(name)) say('package.json', 'declared', `${name} is a dependency but nothing imports it: remove it`);
    if (!name.startsWith(scope)) continue;
    const target = byName.get(name.slice(scope.length));
    if (target === undefined) say('package.json', 'declared', `${name} is not a package of this tree`);
    else {
      wanted.add(target.folder);
      const why = refusal(item, target);
      if (why !== undefined) say('package.json', 'layers', `${name}: ${why}`);
    }
  }
  for (const folder of wanted) {
    if (!item.references.includes(folder)) say('tsconfig.json', 'references', `add a reference to ${folder}`);
  }
  for (const folder of item.references) {
    if (!wanted.has(folder)) say('tsconfig.json', 'references', `${folder} is referenced but not a dependency`);
  }
  return findings;
}

/** Package → a file that imports it. The root's development tools count in tests only. */
function usedPackages(item: Package, rootDevelopment: ReadonlySet<string>): ReadonlyMap<string, string> {
  const used = new Map<string, string>();
  for (const file of item.sources) {
    const developing = file.isTest || item.layer.single === true;
    for (const { specifier } of importsOf(file)) {
      const name = packageOf(specifier);
      if (name === undefined || name === scope + item.name) continue;
      if (developing && rootDevelopment.has(name)) continue;
      used.set(name, file.path);
    }
  }
  return used;
}

function checkFile(item: Package, file: TextFile, byName: ReadonlyMap<string, Package>): readonly Finding[] {
  const findings: Finding[] = [];
  const say = (line: number, rule: string, message: string) => findings.push({ path: file.path, line, rule, message });
  for (const found of importsOf(file)) checkImport(item, file, found, byName, say);
  if (!item.layer.composes && !file.isTest && !isClientSide(item, file)) {
    for (const match of file.code.matchAll(/\bprocess\s*\.\s*env\b/g)) {
      say(
        file.lineAt(match.index),
        'composition',
        'only profiles, apps and tests read process.env: take it as configuration',
      );
    }
  }
  if (isPure(item, file)) {
    for (const match of file.code.matchAll(/(?<![.\w$])(?:Buffer|process)\s*\./g)) {
      say(file.lineAt(match.index), 'pure', 'protocol and sdk run in a browser: no Buffer, no process');
    }
  }
  return findings;
}

function checkImport(
  item: Package,
  file: TextFile,
  { specifier, line }: Import,
  byName: ReadonlyMap<string, Package>,
  say: (line: number, rule: string, message: string) => void,
): void {
  if (isBuiltin(specifier)) {
    if (isPure(item, file))
      say(line, 'pure', `${specifier}: protocol and sdk run in a browser; Node parts of the sdk live in src/node/`);
    if (/^(node:)?(child_process|cluster)$/.test(specifier) && !item.layer.composes && !file.isTest) {
      say(line, 'composition', 'only profiles, apps and tests spawn processes');
    }
    return;
  }
  if (specifier.startsWith('.')) {
    const depth = file.path.split('/').length - 1 - item.folder.split('/').length;
    const up = specifier.split('/').filter((part) => part === '..').length;
    if (up > depth) say(line, 'layers', `${specifier} leaves the package: import it by its name`);
    return;
  }
  const name = packageOf(specifier);
  if (name === undefined || !name.startsWith(scope)) return;
  const target = byName.get(name.slice(scope.length));
  if (target === undefined) {
    say(line, 'layers', `${name} is not a package of this tree`);
    return;
  }
  const why = refusal(item, target);
  if (why !== undefined) say(line, 'layers', `${specifier}: ${why}`);
  const subpath = specifier === name ? '.' : `.${specifier.slice(name.length)}`;
  if (isServiceName(target.name) && target.name !== item.name && subpath !== './service') {
    say(line, 'service-exports', `${specifier}: a service is imported by "./service" only`);
  }
}

function isPure(item: Package, file: TextFile): boolean {
  if (file.isTest || isClientSide(item, file)) return false;
  return item.layer.folder === 'protocol' || item.layer.folder === 'sdk';
}

/** The Node side of the SDK runs inside a user's program, where `RON_NODE_URL` and `RON_CAP` are its configuration. */
function isClientSide(item: Package, file: TextFile): boolean {
  return item.layer.folder === 'sdk' && (file.path.includes('/src/node/') || /\.node\.ts$/.test(file.path));
}

function checkRoot(tree: Tree, item: Package): readonly Finding[] {
  const references = (readJson(tree, 'tsconfig.json').references as { path: string }[] | undefined) ?? [];
  if (references.some((reference) => reference.path.replace(/^\.\//, '') === item.folder)) return [];
  return [{ path: 'tsconfig.json', line: 1, rule: 'references', message: `add a reference to ${item.folder}` }];
}
