/** Which folder stands on which. A package may import what has a lower level, and its own level only by an edge below. */
export interface Layer {
  readonly folder: string;
  readonly level: number;
  /** Narrows "everything below" to these folders. */
  readonly only?: readonly string[];
  /** The folder is one package instead of holding packages. */
  readonly single?: true;
  /** May read `process.env`, spawn processes and choose services. */
  readonly composes?: true;
}

export const layers: readonly Layer[] = [
  { folder: 'protocol', level: 0 },
  { folder: 'core', level: 1 },
  { folder: 'trust', level: 2 },
  { folder: 'net', level: 2 },
  { folder: 'data', level: 3 },
  { folder: 'front', level: 4 },
  { folder: 'profiles', level: 5, composes: true },
  { folder: 'sdk', level: 5, only: ['protocol'] },
  { folder: 'apps', level: 6, composes: true },
  { folder: 'examples', level: 7, single: true, composes: true },
  { folder: 'tests', level: 7, single: true, composes: true },
  { folder: 'bench', level: 7, single: true, composes: true },
];

/** The only imports inside a level, `from` → `to` by package name without scope. */
export const edges: Readonly<Record<string, readonly string[]>> = {
  oap: ['proto'],
  naming: ['proto'],
  cap: ['proto', 'naming'],
  kernel: ['bus', 'metrics'],
  journal: ['kernel'],
  postgres: ['kernel'],
  service: ['kernel', 'bus', 'metrics'],
  signed: ['proto', 'naming'],
  tlog: ['proto', 'naming'],
  auth: ['kms'],
  audit: ['kms'],
  policy: ['kms'],
  'svc-passport': ['kms', 'auth'],
  'svc-trust': ['auth', 'audit', 'policy', 'kms'],
  transport: ['kms'],
  macronode: ['micronode'],
  'svc-overlay': ['transport'],
  'svc-dht': ['transport'],
};

/** A package that is a service: it exports `./service` and nothing else. */
export function isServiceName(name: string): boolean {
  return name.startsWith('svc-') || name === 'omnigate';
}

/** The layer of a path of the tree, or undefined for what is not in a package. */
export function layerOf(path: string): Layer | undefined {
  return layers.find((layer) => path === layer.folder || path.startsWith(`${layer.folder}/`));
}
