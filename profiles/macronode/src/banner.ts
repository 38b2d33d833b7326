import type { Facts } from './process/messages.ts';

export interface BannerFacts extends Facts {
  readonly processes: number;
  readonly folder: string;
  readonly durable: boolean;
  readonly capabilityDays: number;
  readonly startedInMs: number;
}

/** What a person sees when all processes are ready. Goes to standard output; the logs go to standard error. */
export function banner(facts: BannerFacts): string {
  const { url = '', capability = '', bootstrapSecret, folder, processes } = facts;
  return [
    `RustyOnions macronode: ${processes} processes ready in ${Math.round(facts.startedInMs)} ms at ${url}`,
    ...(facts.oap === undefined ? [] : [`OAP/1 at ${facts.oap}`]),
    facts.durable
      ? `Durable: an acknowledged write is on disk, in ${folder}`
      : 'Everything is in memory: what a process holds is gone when it ends',
    '',
    `In another terminal (the capability is the owner's, for ${facts.capabilityDays} days; do not share it):`,
    '',
    `export RON_NODE_URL=${url} RON_CAP=${capability}`,
    '',
    ...(bootstrapSecret === undefined
      ? []
      : [
          'The first administrator, once, with a secret that is not shown again:',
          '',
          `RON_BOOTSTRAP_SECRET=${bootstrapSecret} npx ron passport bootstrap admin --save admin.ron`,
          '',
        ]),
    'Then: npx ron put README.md --name docs/readme; npx ron ps; npx ron restart storage',
    '',
  ].join('\n');
}
