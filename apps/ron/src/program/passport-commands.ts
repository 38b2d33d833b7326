import { Option } from 'commander';
import type { Scope } from './program.ts';

const issuing = () => import('../commands/passport-issue.ts');
const load = () => import('../commands/passport.ts');
const gather = (value: string, before: string[] = []) => [...before, value];

export function addPassportCommands(scope: Scope): void {
  const passports = scope.group('passport', 'who may do what: bootstrap, issue, refresh, revoke, show, list');
  passports
    .add(
      'bootstrap <subject>',
      'become the first administrator of a fresh node',
      async () => (await issuing()).runBootstrap,
    )
    .option('--secret <file>', 'with the secret that the node printed; - is stdin (default: RON_BOOTSTRAP_SECRET)')
    .option('--display-name <text>', 'for people')
    .option('--save <file>', 'keep both secrets there (mode 0600) instead of printing one');
  passports
    .add('issue <subject>', 'a capability for somebody, within your own', async () => (await issuing()).runIssue)
    .option('--right <methods:prefix>', 'read,write:n/docs/ (may be repeated)', gather)
    .option('--ttl <duration>', 'life of a capability, at most 1h (default 15m)')
    .option('--tenant <tenant>', 'whom it acts for (default: yours)')
    .option('--display-name <text>', 'for people')
    .addOption(new Option('--scheme <scheme>', 'who can check it').choices(['hmac', 'ed25519']))
    .option('--key <public key>', 'worth something only with this Ed25519 key, base64url')
    .addOption(new Option('--kind <kind>', 'what it is for').choices(['user', 'service']))
    .option('--body-max <bytes>', 'largest object that it may store, as 10M')
    .option('--save <file>', 'keep both secrets there (mode 0600) instead of printing one');
  passports
    .add('refresh', 'a new capability for a refresh token, which works once', async () => {
      return (await import('../commands/passport-refresh.ts')).runRefresh;
    })
    .option('--refresh-token <file>', 'of a file, or one that --save wrote; - is stdin (default: RON_REFRESH_TOKEN)')
    .option('--save <file>', 'keep both secrets there (default: where the token came from, if --save wrote it)');
  passports
    .add('revoke', 'take back one capability, all of a subject, of a key version, or of a passport', async () => {
      return (await load()).runRevoke;
    })
    .option('--id <id>', 'one capability, with everything attenuated from it')
    .option('--subject <subject>', 'all that was issued to somebody so far')
    .option('--tenant <tenant>', 'of that subject')
    .option('--kid <kid>', 'all that one version of a root key minted')
    .option('--family <family>', 'one passport and everything refreshed from it');
  passports
    .add('show [subject]', 'who somebody is; without a subject, who you are', async () => (await load()).runShow)
    .option('--tenant <tenant>', 'of that subject');
  passports.add('list', 'subjects, by name', async () => (await load()).runList);
}
