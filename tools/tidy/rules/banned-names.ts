import { importsOf } from '../../packages.ts';
import type { TextFile } from '../../tree.ts';
import { matches, type Rule, sourceFiles } from '../rule.ts';

interface Banned {
  readonly pattern: RegExp;
  readonly use: string;
}

/** What reaches past the Env ports. One of these in a service and a simulation from one seed is no longer repeatable. */
const names: readonly Banned[] = [
  { pattern: /\bDate\s*\.\s*now\b/g, use: 'env.clock.wallMs()' },
  { pattern: /\bnew\s+Date\s*(?:\(\s*\)|(?=[;,)\]]))/g, use: 'new Date(env.clock.wallMs())' },
  { pattern: /\bperformance\s*\.\s*now\b/g, use: 'env.clock.monotonicMs()' },
  { pattern: /\bprocess\s*\.\s*hrtime\b/g, use: 'env.clock.monotonicMs()' },
  { pattern: /\bMath\s*\.\s*random\b/g, use: 'env.random.unit()' },
  { pattern: /\bcrypto\s*\.\s*(?:randomBytes|randomUUID|getRandomValues|randomInt)\b/g, use: 'env.random.bytes()' },
  { pattern: /\bset(?:Timeout|Interval|Immediate)\b/g, use: 'env.clock.after() or sleep(env.clock, …)' },
  { pattern: /\bAbortSignal\s*\.\s*(?:timeout|any)\b/g, use: 'an AbortController driven by env.clock.after()' },
  { pattern: /\bcrypto\s*\.\s*subtle\b/g, use: 'env.work or a synchronous function of node:crypto' },
  { pattern: /\b(?:De)?[Cc]ompressionStream\b/g, use: 'env.work' },
];

const modules: readonly Banned[] = [
  { pattern: /^(node:)?timers(\/promises)?$/, use: 'env.clock' },
  { pattern: /^(node:)?fs(\/promises)?$/, use: 'env.disk' },
  { pattern: /^(node:)?(net|tls|dgram|http|https|http2)$/, use: 'env.net' },
  { pattern: /^(node:)?worker_threads$/, use: 'env.work' },
];

interface Allowance {
  readonly prefix: string;
  readonly why: string;
}

/** Where the outside world is the point. Everything else takes it from `Env`. */
export const allowed: readonly Allowance[] = [
  { prefix: 'core/kernel/src/real/', why: 'the real adapters of the ports' },
  { prefix: 'sdk/app-sdk/src/node/', why: 'the Node side of the SDK: a client in the caller’s process' },
  { prefix: 'sdk/app-sdk/src/browser/', why: 'the browser side of the SDK' },
  { prefix: 'sdk/app-sdk/src/platform.ts', why: 'the SDK’s own port for time and randomness' },
  { prefix: 'profiles/micronode/src/main.ts', why: 'reads the configuration file, before there is an Env' },
  { prefix: 'profiles/macronode/src/omnigate.ts', why: 'reads the configuration file, before there is an Env' },
  { prefix: 'profiles/macronode/src/main.ts', why: 'reads the configuration file, before there is an Env' },
  { prefix: 'profiles/macronode/src/read-identity.ts', why: 'reads the certificate, before there is an Env' },
  { prefix: 'apps/', why: 'command lines work on the user’s files' },
  { prefix: 'examples/', why: 'programs as a user writes them' },
  { prefix: 'bench/', why: 'measures real time' },
  { prefix: 'tools/', why: 'scripts of the tree' },
  { prefix: 'tests/e2e/', why: 'drives real processes' },
  { prefix: 'tests/faults/', why: 'breaks real files and sockets' },
  { prefix: 'tests/integration/', why: 'real files and sockets' },
  { prefix: 'tests/redteam/', why: 'attacks over real sockets' },
  { prefix: 'tests/load/', why: 'measures real time' },
  { prefix: 'tests/soak/', why: 'measures real time' },
  { prefix: 'tests/models/', why: 'runs the model checker' },
  { prefix: 'tests/sim/mailbox/seed-thread.ts', why: 'runs seeds on real threads, outside their worlds' },
  { prefix: 'tests/sim/campaign.ts', why: 'measures how fast the simulation is' },
  { prefix: 'tests/sim/seed-pool.ts', why: 'runs seeds on real threads, outside their worlds' },
  { prefix: 'tests/sim/seed-thread.ts', why: 'runs seeds on real threads, outside their worlds' },
  {
    prefix: 'tests/sim/network/scenario-files.ts',
    why: 'reads scenarios and writes charts, outside the worlds',
  },
  { prefix: 'tests/support/', why: 'starts what the above need' },
];

export const bannedNames: Rule = {
  id: 'banned-name',
  *check(tree) {
    for (const file of sourceFiles(tree)) {
      if (allowed.some(({ prefix }) => file.path.startsWith(prefix)) || isConfiguration(file)) continue;
      for (const { pattern, use } of names) {
        yield* matches(file, file.code, pattern, ([text]) => `${text}: use ${use}`);
      }
      for (const { specifier, line } of importsOf(file)) {
        const banned = modules.find(({ pattern }) => pattern.test(specifier));
        // Tests read vectors and make temporary folders.
        if (banned === undefined || (file.isTest && /^node:fs/.test(specifier))) continue;
        yield { path: file.path, line, message: `${specifier}: use ${banned.use}` };
      }
      yield* bannedMembers(file);
    }
  },
};

function isConfiguration(file: TextFile): boolean {
  return /^[a-z]+\.config\.ts$/.test(file.path);
}

/** Names that a module has beside harmless ones. */
const members: readonly (Banned & { readonly module: string })[] = [
  { module: 'node:zlib', pattern: /^(?!type\s|constants$|crc32$|\w+Sync\b)\w/, use: 'its Sync form, or env.work' },
  { module: 'node:crypto', pattern: /^random(Bytes|UUID|Int|Fill|FillSync)\b/, use: 'env.random.bytes()' },
];

function* bannedMembers(file: TextFile) {
  for (const { module, pattern, use } of members) {
    // A test may make a key or an identifier; what it samples comes from a seeded property.
    if (file.isTest && module === 'node:crypto') continue;
    const importing = new RegExp(`import\\s*\\{([^}]*)\\}\\s*from\\s*['"]${module}['"]`, 'g');
    yield* matches(file, file.uncommented, importing, ([, list = '']) => {
      const names = list.split(',').map((item) => item.trim());
      const banned = names.find((item) => pattern.test(item));
      return banned === undefined ? undefined : `${banned} of ${module}: use ${use}`;
    });
  }
}
