/** What a person sees when the node is ready. Goes to standard output; the log goes to standard error. */
export interface BannerFacts {
  readonly url: string;
  readonly capability: string;
  readonly capabilityDays: number;
  /** Undefined: amnesia. */
  readonly folder: string | undefined;
  readonly startedInMs: number;
  readonly oap: string | undefined;
  /** `<id>@<address>`, as others write it into their `network.seeds`; undefined: the node joins no others. */
  readonly contact: string | undefined;
  /** Of a durable node that has no administrator yet, in the run that made it. */
  readonly bootstrapSecret: string | undefined;
}

export function banner(facts: BannerFacts): string {
  const lifetime =
    facts.folder === undefined
      ? 'Everything is in memory: nothing survives a restart (amnesia). To keep it: npm start -- --persist ./ron-data'
      : `Durable: an acknowledged write is on disk, in ${facts.folder}`;
  return [
    `RustyOnions micronode: ready in ${Math.round(facts.startedInMs)} ms at ${facts.url}`,
    ...(facts.oap === undefined ? [] : [`OAP/1 at ${facts.oap}`]),
    ...(facts.contact === undefined ? [] : [`Network contact: ${facts.contact}`]),
    lifetime,
    '',
    `In another terminal (the capability is the owner's, for ${facts.capabilityDays} days; do not share it):`,
    '',
    `export RON_NODE_URL=${facts.url} RON_CAP=${facts.capability}`,
    '',
    ...(facts.bootstrapSecret === undefined
      ? []
      : [
          'The first administrator, once, with a secret that is not shown again:',
          '',
          `RON_BOOTSTRAP_SECRET=${facts.bootstrapSecret} npx ron passport bootstrap admin --save admin.ron`,
          '',
        ]),
    'Then: npx ron put README.md --name docs/readme    or, for a guided tour: npx ron tour',
    '',
  ].join('\n');
}
