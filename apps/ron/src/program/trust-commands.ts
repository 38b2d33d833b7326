import { Argument, Option } from 'commander';
import type { Scope } from './program.ts';

const kms = () => import('../commands/kms.ts');
const policyNode = () => import('../commands/policy-node.ts');
const audit = () => import('../commands/audit.ts');
const registry = () => import('../commands/registry.ts');
const gather = (value: string, before: string[] = []) => [...before, value];

export function addTrustCommands(scope: Scope): void {
  addKmsCommands(scope);
  addPolicyCommands(scope);
  addAuditCommands(scope);
  addRegistryCommands(scope);
}

function addKmsCommands(scope: Scope): void {
  const keys = scope.group('kms', 'keys of the node: list, create, rotate, retire, destroy, public');
  keys
    .add('list', 'every version of every key, oldest first', async () => (await kms()).runList)
    .option('--tenant <tenant>', 'only of this tenant')
    .option('--purpose <purpose>', 'only for this purpose');
  keys
    .add('create <purpose>', 'make a key; prints its id', async () => (await kms()).runCreate)
    .addOption(
      new Option('--alg <algorithm>', 'what it does')
        .choices(['ed25519', 'ml-dsa-65', 'hmac', 'aes-256-gcm'])
        .default('ed25519'),
    )
    .option('--tenant <tenant>', 'whose it is (default: yours)');
  keys.add('rotate <kid>', 'a new version; the one before still verifies', async () => (await kms()).runRotate);
  keys
    .add('retire <kid>', 'a version does nothing any more; there is no way back', async () => (await kms()).runRetire)
    .option('--even-active', 'also the one in use');
  keys
    .add('destroy <kid>', 'erase the secret; a signed statement stays', async () => (await kms()).runDestroy)
    .option('--even-active', 'also the one in use')
    .option('-y, --yes', 'what it sealed is lost for good');
  keys.add('public <kid>', 'the raw public half, base64', async () => (await kms()).runPublic);
}

function addPolicyCommands(scope: Scope): void {
  const policy = scope.group('policy', 'policy: keygen, check, diff, sign, activate, show, explain, history');
  const checking = () => import('../commands/policy-check.ts');
  const signing = () => import('../commands/policy-sign.ts');
  policy
    .add('keygen', 'make a key that signs policies and registry snapshots', async () => (await signing()).runKeygen)
    .requiredOption('--out <file>', 'the key, mode 0600; refused where something is')
    .requiredOption('--name <signer>', 'as it stands in the list of signers')
    .option('--hybrid', 'ML-DSA-65 too: a forger has to break both');
  policy.add('check <file>', 'whether a policy is well formed; offline', async () => (await checking()).runCheck);
  policy.add('diff <old> [new]', 'what changes; with one file, against the policy in force', async () => {
    return (await checking()).runDiff;
  });
  policy
    .add('sign <file>', 'sign a policy, or add a signature; offline', async () => (await signing()).runSign)
    .requiredOption('--key <file>', 'made by ron policy keygen')
    .option('--name <signer>', 'sign under another name than that of the key')
    .option('--out <file>', 'write there instead of stdout');
  policy
    .add('activate <file>', 'put a signed policy into force', async () => (await policyNode()).runActivate)
    .option('--propose', 'leave it on the node until enough have signed, or add your signature to it');
  policy.add('show', 'the signed policy in force', async () => (await policyNode()).runShow);
  policy
    .add('explain <subject>', 'what the policy says of a request, and which rules say it', async () => {
      return (await policyNode()).runExplain;
    })
    .addArgument(new Argument('<method>').choices(['read', 'write', 'delete', 'list', 'admin']))
    .argument('<resource>', 'as n/docs/x, o/b3:…, box/jobs')
    .option('--tenant <tenant>', 'of that subject')
    .option('--op <operation>', 'as gateway.set_name');
  policy.add('history', 'policies that were in force, newest first', async () => (await policyNode()).runHistory);
}

function addAuditCommands(scope: Scope): void {
  const log = scope.group('audit', 'the audit log: tail, prove, verify, export, checkpoint, key');
  log
    .add('tail', 'the last entries', async () => (await audit()).runTail)
    .option('--from <index>', 'from this entry on')
    .option('--count <n>', 'so many (default: 20, and all of them with --from)')
    .option('--follow', 'go on with what is written from now on');
  log.add(
    'prove <index>',
    'an entry with its proof, checked; prints the receipt',
    async () => (await audit()).runProve,
  );
  log
    .add('verify <path>', 'check an export, or the folder of a log whose node is off; asks nobody', async () => {
      return (await import('../commands/audit-verify.ts')).runVerify;
    })
    .option('--key <key>', 'verifier key of the log (may be repeated; default: RON_AUDIT_KEY)', gather)
    .option('--checkpoint <file>', 'one that you kept: the log must contain it')
    .option('--receipt', 'the file is one receipt');
  log
    .add('export', 'entries as NDJSON, for verify', async () => (await import('../commands/audit-export.ts')).runExport)
    .option('--from <index>', 'from this entry on')
    .option('--to <index>', 'up to this one, without it')
    .option('-o, --output <file>', 'write there instead of stdout');
  log
    .add('checkpoint', 'the newest signed checkpoint, to keep elsewhere', async () => (await audit()).runCheckpoint)
    .option('--cosigned', 'the newest one that a witness has signed too');
  log.add('key', 'the verifier key of the log', async () => (await audit()).runKey);
}

function addRegistryCommands(scope: Scope): void {
  const group = scope.group('registry', 'what runs where: head, show, propose, proposals, approve, commit, watch');
  group.add('head', 'version and id of the newest snapshot', async () => (await registry()).runHead);
  group.add('show [version]', 'a signed snapshot, or a proposal by its id', async () => (await registry()).runShow);
  group
    .add(
      'propose',
      'the next snapshot; without a change, only a later expiry',
      async () => (await registry()).runPropose,
    )
    .option('--set <file>', 'a descriptor as JSON (may be repeated, like the next two)', gather)
    .option('--remove <id>', 'as node/a', gather)
    .option('--revoke-signer <name>', 'never counts again', gather)
    .option('--changes <file>', 'a list of changes as JSON')
    .option('--expires <duration>', 'valid for 30d from now (default 90d, at most 400d)');
  group.add('proposals', 'what waits for approval', async () => (await registry()).runProposals);
  group
    .add('approve <proposal>', 'sign a proposal', async () => (await registry()).runApprove)
    .option('--key <file>', 'made by ron policy keygen')
    .option('--name <signer>', 'sign under another name than that of the key')
    .option('--as-node', "with the node's own keys");
  group.add('commit <proposal>', 'put an approved proposal into force', async () => (await registry()).runCommit);
  group
    .add('watch', 'new snapshots as they come, every step checked', async () => {
      return (await import('../commands/registry-watch.ts')).runWatch;
    })
    .option('--pin <id>', 'id of the first snapshot')
    .option('--trust <file>', 'JSON of who must have signed: {"signers":[…],"threshold":n}')
    .option('--state <file>', 'keeps what was seen: it cannot be rolled back after a restart')
    .option('--count <n>', 'end after so many');
}
