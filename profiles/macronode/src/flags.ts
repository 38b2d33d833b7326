import { parseArgs } from 'node:util';

export interface Flags {
  readonly configFile: string | undefined;
  readonly help: boolean;
  /** `table.field` → text, for the configuration's last layer. */
  readonly overrides: Readonly<Record<string, string>>;
}

export const usage = `macronode: the services of a node as processes, behind omnigate

  npm run macronode -- [--config FILE] [--folder DIR] [--listen HOST:PORT] [--gateways N] [--set TABLE.FIELD=VALUE]…

  --config FILE   TOML; by default macronode.toml here, when there is one. Watched: changes apply at once
  --folder DIR    where everything is kept (topology.folder), default ./ron-macronode
  --listen H:P    where HTTP listens (front.listen), default 127.0.0.1:8080; port 0 takes a free one
  --gateways N    gateway processes (topology.gateways), default 2
  --set T.F=V     any field of any table; see profiles/macronode/README.md
  --help

  npx ron ps, npx ron restart PROCESS: what runs, and another process in its place
`;

const named = { folder: 'topology.folder', listen: 'front.listen', gateways: 'topology.gateways' } as const;

/** Throws `TypeError` for what it does not know. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string' },
      folder: { type: 'string' },
      listen: { type: 'string' },
      gateways: { type: 'string' },
      set: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  const overrides: Record<string, string> = {};
  for (const [flag, field] of Object.entries(named)) {
    const value = values[flag as keyof typeof named];
    if (value !== undefined) overrides[field] = value;
  }
  for (const setting of values.set) {
    const equals = setting.indexOf('=');
    if (equals < 1) throw new TypeError(`--set ${setting}: write TABLE.FIELD=VALUE`);
    overrides[setting.slice(0, equals)] = setting.slice(equals + 1);
  }
  return { configFile: values.config, help: values.help, overrides };
}
