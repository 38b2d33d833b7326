/** For each rule, trees that it accepts and trees in which it finds exactly the named place. */
export interface Sample {
  readonly rule: string;
  readonly files: Readonly<Record<string, string>>;
  /** `path:line`, or undefined for a good sample. */
  readonly bad?: string;
}

const source = (rule: string, text: string, path = 'core/kernel/src/a.ts'): Sample => ({
  rule,
  files: { [path]: text },
});
const bad = (sample: Sample, line = 1): Sample => ({ ...sample, bad: `${Object.keys(sample.files)[0]}:${line}` });
const markdown = (rule: string, text: string): Sample => source(rule, text, 'docs/a.md');
const specification = { 'docs/specs/OAP-1.md': '`max_frame = 1 MiB`' };
const frames = (text: string): Sample => ({ rule: 'frame-and-chunk', files: { 'core/a.ts': text, ...specification } });

const banned = [
  'const a = Date.now();',
  'const a = new Date();',
  'performance.now()',
  'Math.random()',
  'setTimeout(f, 1);',
  'globalThis.setInterval(f, 1);',
  'setImmediate(f)',
  'AbortSignal.timeout(1)',
  'AbortSignal.any([a])',
  'crypto.subtle.digest(a)',
  'new CompressionStream("gzip")',
  "import { scheduler } from 'node:timers/promises';",
  "import { readFile } from 'node:fs/promises';",
  "import net from 'node:net';",
  "import { createHash, randomUUID } from 'node:crypto';",
  "import { gzip, gunzipSync } from 'node:zlib';",
];

export const samples: readonly Sample[] = [
  ...banned.map((text) => bad(source('banned-name', text))),
  ...banned.map((text) => source('banned-name', text, 'core/kernel/src/real/a.ts')),
  source('banned-name', "// Date.now()\nconst text = 'Math.random()';\nconst day = new Date(0);"),
  source('banned-name', "import { gzipSync, constants } from 'node:zlib';\nimport type { A } from './set-timeout.ts';"),
  source('banned-name', "import { mkdtempSync } from 'node:fs';", 'core/journal/src/a.test.ts'),
  source('banned-name', "import { randomBytes } from 'node:crypto';", 'core/journal/src/a.test.ts'),
  bad(source('banned-name', 'setTimeout(f, 1);', 'core/journal/src/a.test.ts')),
  bad(source('banned-name', 'Date.now();', 'tests/sim/a.ts')),

  bad(markdown('blake3-only', 'The\nSHA-256 of the bytes'), 2),
  bad(source('blake3-only', "createHmac('sha256', key)")),
  source('blake3-only', "createHash('sha256')", 'trust/audit/src/tree.ts'),
  markdown('blake3-only', 'b3: and BLAKE3-256, HMAC with SHA-512/256'),

  bad(frames('const maxFrame = 64 * 1024;')),
  bad(frames('// max_frame is 64 KiB')),
  bad(frames('const chunkBytes = 1_048_576;')),
  bad(frames('// the group size is 1 MiB')),
  frames(
    'const maxFrame = 1024 * 1024;\nconst chunkBytes = 65_536;\n// max_frame is 1 MiB, the 64 KiB chunk is another layer',
  ),
  { rule: 'frame-and-chunk', files: { 'docs/specs/OAP-1.md': 'max_frame is big' }, bad: 'docs/specs/OAP-1.md:1' },
  { rule: 'frame-and-chunk', files: {}, bad: 'docs/specs/OAP-1.md:1' },

  bad(source('crash-reason', "bus.publish({\n type: 'ServiceCrashed',\n service: name });"), 2),
  bad(source('crash-reason', "type E = { type: 'ServiceCrashed'; service: string } | { reason: string };")),
  source('crash-reason', "publish({ type: 'ServiceCrashed', service, reason: text({ a }) });"),
  source(
    'crash-reason',
    "if (event.type === 'ServiceCrashed') count += 1;\ntype C = Extract<KernelEvent, { type: 'ServiceCrashed' }>;",
  ),
  bad(markdown('crash-reason', '`ServiceCrashed{service}`')),
  markdown('crash-reason', '`ServiceCrashed{service, reason}`'),

  bad(markdown('plane-name', 'on the public plane')),
  bad(markdown('plane-name', 'on the Internal Plane')),
  bad(source('plane-name', '/** private-plane */')),
  markdown('plane-name', 'the Public Plane, the Private Plane, the data plane'),

  bad(source('file-length', 'a;\n'.repeat(401)), 400),
  source('file-length', 'a;\n'.repeat(400)),

  bad(source('export-form', 'export default function a() {}')),
  bad(source('export-form', "\nexport * from './b.ts';"), 2),
  source('export-form', "export { a } from './b.ts'; // export default"),
  source('export-form', 'export default {};', 'vitest.config.ts'),

  bad(source('file-name', '', 'core/kernel/src/utils.ts')),
  bad(source('file-name', '', 'core/kernel/src/helpers/a.ts')),
  bad(source('file-name', '', 'core/kernel/src/Kernel.ts')),
  bad(source('file-name', '', 'core/kernel/src/config-manager.ts')),
  source('file-name', '', 'core/kernel/src/name-index.test.ts'),

  bad(source('leftover', '// TODO later')),
  bad(source('leftover', "throw new Error('not implemented');")),
  bad(source('leftover', "test.skip('a', f);")),
  bad(source('leftover', "describe.only('a', f);")),
  bad(source('leftover', '// @ts-ignore')),
  bad(source('leftover', '// biome-ignore lint/a/b: yes')),
  source('leftover', "// biome-ignore lint/a/b: a template is the sample\nconst a = 'it.only';"),

  bad(source('machine-path', "const a = '/root/x';")),
  bad(markdown('machine-path', 'in /home/anna/src')),
  bad(markdown('machine-path', 'from registry.npmjs.org')),
  source('machine-path', "const a = 'data/root/x', b = '/etc/x', c = 'http://a/work/b';"),

  bad(source('empty-catch', 'try { a(); } catch { }')),
  bad(source('empty-catch', 'try { a(); } catch (error) { /* fine */ }')),
  bad(source('empty-catch', 'a().catch(() => {});')),
  source('empty-catch', 'try { a(); } catch (error) { log(error); }'),

  bad(markdown('markdown-link', '\n[a](gone.md)'), 2),
  bad(markdown('markdown-link', '[a](../core/gone/)')),
  markdown('markdown-link', '[a](a.md#x) [b](https://b.example/c) [c](#d)\n```\n[a](gone.md)\n```\n`[a](gone.md)`'),
  { rule: 'markdown-link', files: { 'docs/a.md': '[b](../core/b/) [c](/docs/a.md)', 'core/b/c.ts': '' } },

  { rule: 'one-license', files: { LICENSE: '', 'core/a/LICENSE': '' }, bad: 'core/a/LICENSE:1' },
  { rule: 'one-license', files: { 'a.ts': '' }, bad: 'LICENSE:1' },
  { rule: 'one-license', files: { LICENSE: '', 'package.json': '{}' }, bad: 'package.json:1' },
  { rule: 'one-license', files: { LICENSE: '', 'package.json': '{"license":"MIT"}' } },

  {
    rule: 'ratchet',
    files: { 'a.ts': 'a as any', 'tools/tidy/ratchet.json': '{"as any":0}' },
    bad: 'tools/tidy/ratchet.json:1',
  },
  { rule: 'ratchet', files: { 'a.ts': 'a as any', 'tools/tidy/ratchet.json': '{"as any":1}' } },
];
