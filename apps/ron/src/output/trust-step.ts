import type { ErrorCode } from '@ron/proto/errors';

const lists: Readonly<Record<string, string>> = {
  kms: 'ron kms list',
  passport: 'ron passport list',
  policy: 'ron policy show',
  audit: 'ron audit checkpoint',
  registry: 'ron registry proposals',
};

/** What to type after a refusal in the trust plane; undefined where the general advice fits. */
export function trustStep(code: ErrorCode, command: string): string | undefined {
  const [, group = '', operation] = command.split(' ');
  const list = lists[group];
  if (list === undefined) return undefined;
  if (code === 'unauthenticated' && operation === 'refresh') {
    return 'ron passport issue SUBJECT --right … --save FILE   (by an administrator: this passport has ended)';
  }
  if (code === 'forbidden' && operation === 'bootstrap')
    return "look for the secret in the node's first lines; it works once";
  if (code === 'forbidden' && group === 'policy' && operation === 'activate') {
    return 'ron policy sign FILE --key KEYFILE   (of signers in force)';
  }
  if (code === 'conflict' && group === 'policy') return 'ron policy diff FILE   (against the one in force)';
  if (code === 'conflict' && group === 'registry') return 'ron registry head   (the head has moved: propose again)';
  if (code === 'integrity' && group === 'audit')
    return 'ron audit export -o log.ndjson; ron audit verify log.ndjson --key KEY';
  return code === 'not_found' || code === 'conflict' ? list : undefined;
}
