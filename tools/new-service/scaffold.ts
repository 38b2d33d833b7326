import { resolvePath } from '../packages.ts';
import type { Tree } from '../tree.ts';
import { type Names, serviceFiles } from './templates.ts';

export interface ScaffoldOptions {
  /** `mailbox` or `svc-mailbox`. */
  readonly name: string;
  /** The folder of the layer: `trust`, `net`, `data` or `front`. */
  readonly layer: string;
  /** OAP application id; without it the next free one of the application range, from 0x8000. */
  readonly app?: number;
}

const serviceLayers = ['trust', 'net', 'data', 'front'];

/** Every file that a new service adds or changes, as path → text. Throws with the reason when the name does not fit. */
export function scaffold(tree: Tree, options: ScaffoldOptions): Readonly<Record<string, string>> {
  const domain = options.name.replace(/^svc-/, '');
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(domain))
    throw new Error('a service is named in kebab-case: mailbox, dead-letter');
  if (!serviceLayers.includes(options.layer)) throw new Error(`the layer is one of ${serviceLayers.join(', ')}`);
  const camel = domain.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const names: Names = {
    domain,
    camel,
    pascal: camel[0]!.toUpperCase() + camel.slice(1),
    folder: `${options.layer}/svc-${domain}`,
    app: options.app ?? nextApp(tree),
  };
  const files = serviceFiles(names);
  for (const path of Object.keys(files)) {
    if (tree.paths.has(path)) throw new Error(`${path} exists already`);
  }
  return {
    ...files,
    'protocol/proto/package.json': withExport(textOf(tree, 'protocol/proto/package.json'), domain),
    'tsconfig.json': withReference(textOf(tree, 'tsconfig.json'), names.folder),
    'package.json': withWorkspace(textOf(tree, 'package.json'), options.layer),
  };
}

function textOf(tree: Tree, path: string): string {
  const text = tree.file(path)?.text;
  if (text === undefined) throw new Error(`${path} does not exist: run this at the root of the tree`);
  return text;
}

function nextApp(tree: Tree): number {
  let next = 0x8000;
  for (const file of tree.files) {
    if (!file.path.startsWith('protocol/proto/src/')) continue;
    for (const [, hex = ''] of file.code.matchAll(/\bapp:\s*0x([0-9a-f]+)/gi))
      next = Math.max(next, Number.parseInt(hex, 16) + 1);
  }
  return next;
}

function withExport(text: string, domain: string): string {
  const manifest = JSON.parse(text);
  manifest.exports[`./${domain}`] = `./src/${domain}.ts`;
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/** Inserts one line-shaped item at the end of a list, leaving the rest of the file as people wrote it. */
function withReference(text: string, folder: string): string {
  const references = JSON.parse(text).references as { path: string }[];
  if (references.some(({ path }) => resolvePath('', path) === folder)) return text;
  const end = text.lastIndexOf(']');
  return `${text.slice(0, end).trimEnd()},\n    {\n      "path": "./${folder}"\n    }\n  ${text.slice(end)}`;
}

function withWorkspace(text: string, layer: string): string {
  const workspaces = JSON.parse(text).workspaces as string[];
  if (workspaces.includes(`${layer}/*`)) return text;
  return text.replace(/("workspaces": \[)/, `$1\n    "${layer}/*",`);
}
