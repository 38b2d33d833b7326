import { exitCodes } from '../exit-codes.ts';
import { describeFields } from '../output/numbers.ts';
import { renderFields } from '../output/table.ts';
import { hasCode } from '../refusal.ts';
import type { Session } from '../session.ts';

export async function runStatus(session: Session): Promise<number> {
  const { client, output, settings, signal } = session;
  const { ready, gates } = await client.node.readiness({ signal });
  const version = await client.node.version({ signal });
  const usage = await readUsage(session);
  const value = { url: settings.url.value, ready, gates, version, usage: usage ?? null };
  output.result(value, () => {
    const state = ready ? output.paint('green', 'ready') : output.paint('red', 'not ready');
    const lines: [string, string][] = [
      ['node', settings.url.value],
      ['state', state],
      ...gates.map(({ gate, ok, reason }): [string, string] => [
        `gate ${gate}`,
        ok ? 'ok' : `closed: ${reason ?? '?'}`,
      ]),
      ...describeFields(version),
      ...(usage === undefined
        ? [['usage', 'not shown to this capability'] as [string, string]]
        : describeFields(usage)),
    ];
    return renderFields(lines);
  });
  return ready ? exitCodes.ok : exitCodes.unavailable;
}

/** Usage is for administrators; the rest of the status is for everyone. */
async function readUsage({ client, signal }: Session): Promise<Record<string, unknown> | undefined> {
  try {
    return await client.node.usage({ signal });
  } catch (thrown) {
    if (hasCode(thrown, 'forbidden') || hasCode(thrown, 'unauthenticated')) return undefined;
    throw thrown;
  }
}
