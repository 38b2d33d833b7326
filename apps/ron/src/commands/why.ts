import { isAddress } from '@ron/naming';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';

interface Why {
  readonly address: string;
  readonly state: string;
  readonly holders: readonly { readonly kind: string; readonly id: string }[];
}

export async function runWhy({ client, output, signal }: Session, [text = '']: string[]): Promise<undefined> {
  const address = isAddress(text) ? text : (await client.names.resolve(text, { signal })).address;
  const why = whyFrom(await client.node.why(address, { signal }));
  output.result(why, () => {
    const holders = why.holders.map(({ kind, id }): [string, string] => [`kept by ${kind}`, id]);
    const nobody: [string, string][] = [['kept by', 'nobody: the next ron gc may take it']];
    return renderFields([
      ['address', why.address],
      ['state', why.state],
      ...(holders.length === 0 && why.state === 'live' ? nobody : holders),
    ]);
  });
  return undefined;
}

function whyFrom(answer: Readonly<Record<string, unknown>>): Why {
  return {
    address: String(answer['address']),
    state: String(answer['state']),
    holders: Array.isArray(answer['holders']) ? (answer['holders'] as Why['holders']) : [],
  };
}
