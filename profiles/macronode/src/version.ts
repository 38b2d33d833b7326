import manifest from '../package.json' with { type: 'json' };

export const version = {
  name: 'omnigate',
  version: manifest.version,
  runtime: `node ${process.versions.node}`,
} as const;
