import { parseArgs } from 'node:util';

export interface Flags {
  readonly persist: string | undefined;
  readonly configFile: string | undefined;
  readonly help: boolean;
  /** `table.field` → text, for the configuration's last layer. */
  readonly overrides: Readonly<Record<string, string>>;
}

export const usage = `micronode: a whole node in one process

  npm start -- [--persist DIR] [--config FILE] [--listen HOST:PORT] [--set TABLE.FIELD=VALUE]…

  --persist DIR   keep everything in DIR; without it everything is in memory
  --config FILE   TOML; by default config.toml in the persist folder, when there is one. Watched: changes apply at once
  --listen H:P    where HTTP listens (server.listen), default 127.0.0.1:9600; port 0 takes a free one
  --oap ADDR      where OAP/1 listens (server.oap_listen): host:port or unix:PATH
  --network H:P   where other nodes connect (network.listen); the node then prints its contact, a seed for others
  --set T.F=V     any field of any table; see \`npx ron config show FILE --origin\`
  --help
`;

/** Throws `TypeError` for what it does not know. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      persist: { type: 'string' },
      config: { type: 'string' },
      listen: { type: 'string' },
      oap: { type: 'string' },
      network: { type: 'string' },
      set: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  const overrides: Record<string, string> = {};
  if (values.listen !== undefined) overrides['server.listen'] = values.listen;
  if (values.oap !== undefined) overrides['server.oap_listen'] = values.oap;
  if (values.network !== undefined) overrides['network.listen'] = values.network;
  for (const setting of values.set) {
    const equals = setting.indexOf('=');
    if (equals < 1) throw new TypeError(`--set ${setting}: write TABLE.FIELD=VALUE`);
    overrides[setting.slice(0, equals)] = setting.slice(equals + 1);
  }
  return { persist: values.persist, configFile: values.config, help: values.help, overrides };
}
