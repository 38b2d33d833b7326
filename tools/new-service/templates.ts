/** Names that the templates are filled with. */
export interface Names {
  /** `mailbox`: the contract, the configuration table, the subpath of @ron/proto. */
  readonly domain: string;
  /** `mailbox` as an identifier: `dead-letter` → `deadLetter`. */
  readonly camel: string;
  /** `DeadLetter`. */
  readonly pascal: string;
  /** `data/svc-mailbox`. */
  readonly folder: string;
  /** OAP application id. */
  readonly app: number;
}

/** The files of a new service, by path. They pass the gate as they are; `status` shows the shape of an operation. */
export function serviceFiles(names: Names): Readonly<Record<string, string>> {
  const { domain, folder } = names;
  return {
    [`protocol/proto/src/${domain}.ts`]: contract(names),
    [`${folder}/src/service.ts`]: service(names),
    [`${folder}/src/handlers/status.ts`]: handler(names),
    [`${folder}/src/service.test.ts`]: serviceTest(names),
    [`${folder}/package.json`]: manifest(names),
    [`${folder}/tsconfig.json`]: project(),
    [`${folder}/README.md`]: readme(names),
  };
}

function contract({ domain, camel, app }: Names): string {
  return `import { Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Count, strict } from './fields.ts';

export const ${camel}Contract = defineContract({
  name: '${domain}',
  app: 0x${app.toString(16).padStart(4, '0')},
  operations: {
    status: {
      summary: 'What this service has done since it started',
      input: Type.Object({}, strict),
      output: Type.Object({ answered: Count }, strict),
      errors: [],
      scopes: [{ method: 'read', resource: 'admin/${domain}' }],
    },
  },
});
`;
}

function service({ domain, camel, pascal }: Names): string {
  return `import { ${camel}Contract } from '@ron/proto/${domain}';
import { defineService } from '@ron/service';
import { Type } from 'typebox';
import { createStatus } from './handlers/status.ts';

/** Table \`[${domain}]\` of the configuration file. Name units last (\`ttl_ms\`, \`size_bytes_max\`) and give every field a default. */
export const ${pascal}Config = Type.Object({}, { additionalProperties: false });

/** Wiring only: an operation is a file in \`handlers/\`; what the service calls is named in \`uses\`. */
export const ${camel} = defineService({
  contract: ${camel}Contract,
  config: ${pascal}Config,
  uses: {},
  start: async () => ({
    handlers: { status: createStatus() },
    [Symbol.asyncDispose]: async () => undefined,
  }),
});
`;
}

function handler({ domain, camel }: Names): string {
  return `import type { Handlers } from '@ron/proto/contract';
import type { ${camel}Contract } from '@ron/proto/${domain}';

/** Counts its own calls, this one included. */
export function createStatus(): Handlers<typeof ${camel}Contract>['status'] {
  let answered = 0;
  return () => {
    answered += 1;
    return { answered };
  };
}
`;
}

function serviceTest({ domain, camel }: Names): string {
  return `import { expect, test } from 'vitest';
import { ${camel} } from './service.ts';

test('status counts the calls', async () => {
  await using running = await ${camel}.start({} as never);
  const status = running.handlers.status!;
  expect(${camel}.contract.name).toBe('${domain}');
  expect([await status({}, {} as never), await status({}, {} as never)]).toEqual([{ answered: 1 }, { answered: 2 }]);
});
`;
}

function manifest({ folder }: Names): string {
  return json({
    name: `@ron/${folder.split('/').at(-1)}`,
    version: '0.1.0',
    private: true,
    license: 'MIT',
    type: 'module',
    exports: { './service': './src/service.ts' },
    dependencies: { '@ron/proto': '0.1.0', '@ron/service': '0.1.0', typebox: '1.4.3' },
  });
}

function project(): string {
  const text = json({
    extends: '../../tsconfig.base.json',
    compilerOptions: { rootDir: '.', outDir: 'dist', tsBuildInfoFile: 'dist/.tsbuildinfo' },
    include: ['src'],
    exclude: ['dist', 'node_modules'],
    references: [{ path: '../../protocol/proto' }, { path: '../../core/service' }],
  });
  // The formatter keeps short lists on one line.
  return text.replace(/\[\s+("[^\]{]*")\s+\]/g, (_, items: string) => `[${items.replace(/\s+/g, ' ')}]`);
}

function readme({ domain, folder }: Names): string {
  const name = folder.split('/').at(-1);
  return `# ${name}

Implements the contract \`@ron/proto/${domain}\`. One operation, one file in \`src/handlers/\`; \`src/service.ts\` is wiring.

A profile starts it with the configuration table \`[${domain}]\`; its tests run alone:

\`\`\`sh
npx vitest run ${folder}
\`\`\`
`;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
