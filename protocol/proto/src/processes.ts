import { type Static, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Count, DurationMs, strict } from './fields.ts';

const ProcessName = Type.String({ pattern: '^[a-z][a-z0-9-]{0,62}$' });

/** One process of a macronode as its launcher sees it. */
export const ProcessView = Type.Object(
  {
    process: ProcessName,
    state: Type.Union(
      [
        Type.Literal('starting'),
        Type.Literal('running'),
        Type.Literal('waiting'),
        Type.Literal('quarantined'),
        Type.Literal('finished'),
        Type.Literal('stopped'),
      ],
      { description: 'waiting: it crashed and starts again in a moment; quarantined: it crashed too often' },
    ),
    services: Type.Array(Type.String()),
    pid: Type.Optional(Count),
    uptime_ms: DurationMs,
    crashes: Type.Integer({ minimum: 0, description: 'after which it was started again' }),
    restarts: Type.Integer({ minimum: 0, description: 'that somebody asked for' }),
    reason: Type.Optional(Type.String({ description: 'of the last crash, or why it is not ready' })),
    ready: Type.Boolean(),
  },
  strict,
);
export type ProcessView = Static<typeof ProcessView>;

const admin = [{ method: 'admin', resource: 'admin/processes' }] as const;

/** What the launcher of a macronode answers on its own socket, which only its user can open. */
export const processesContract = defineContract({
  name: 'processes',
  app: 0x0504,
  operations: {
    list: {
      summary: 'The processes, in the order in which they start',
      input: Type.Object({}, strict),
      output: Type.Object({ processes: Type.Array(ProcessView), url: Type.Optional(Type.String()) }, strict),
      errors: [],
      scopes: admin,
    },
    restart: {
      summary:
        'Replace one process, or one after the other all but omnigate, without refusing calls; one in quarantine is let out',
      input: Type.Object({ process: Type.Optional(ProcessName) }, strict),
      output: Type.Object({ processes: Type.Array(ProcessView) }, strict),
      errors: ['not_found', 'conflict'],
      scopes: admin,
      mutation: true,
      limits: { timeoutMs: 600_000 },
    },
  },
});
