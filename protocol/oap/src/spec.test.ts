import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { limits } from './limits.ts';
import { refusalReasons } from './refusals.ts';
import { appId, controlCode, frameFlag } from './wire.ts';

const specs = new URL('../../../docs/specs/', import.meta.url);
const text = readFileSync(new URL('OAP-1.md', specs), 'utf8');
const vectors = JSON.parse(readFileSync(new URL('vectors/oap-1.json', specs), 'utf8'));

describe('docs/specs/OAP-1.md', () => {
  it('shows vectors that are in the file', () => {
    const blocks = text.match(/(?: {4}[0-9a-f ]+\n)+/g) ?? [];
    const known: string[] = vectors.valid.map((vector: { hex: string }) => vector.hex);
    const shown = blocks.map((block) => block.replaceAll(/\s/g, '')).filter((block) => block.length > 60);
    expect(shown.length).toBe(2);
    for (const block of shown) expect(known).toContain(block);
    expect(text).toContain('21 00 00 00  01  00 00  00 00  00 00  00×16  00 00  00×8');
  });

  it('names every reason, flag, application, control code and limit of the code', () => {
    for (const reason of refusalReasons) expect(text).toContain(`\`${reason}\``);
    for (const flag of Object.keys(frameFlag)) expect(text).toContain(`| ${flag} |`);
    for (const id of Object.values(appId))
      expect(text).toContain(id === 0 ? '| 0 | control' : `0x${id.toString(16).padStart(4, '0')}`);
    for (const [name, code] of Object.entries(controlCode)) {
      expect(text).toMatch(new RegExp(`\\| ${code} \\| ${name === 'ack' ? 'acknowledgement' : name} \\|`));
    }
    expect(text).toContain('max_frame = 1 MiB');
    const numbers = [
      limits.maxFrameBytes,
      limits.maxFrameFloorBytes,
      limits.headerJsonBytesMax,
      limits.capabilityBytesMax,
      limits.connectionCreditBytes,
      limits.unsentBytesMax,
      limits.unsentBytesHardMax,
      limits.progressBytesPerSecondMin,
    ];
    for (const number of numbers) expect(text).toContain(` ${number.toLocaleString('en-US')} `);
    expect(limits.streamCreditBytes).toBe(1_048_576);
    expect([limits.streamsPerConnectionMax, limits.jsonDepthMax, limits.inflatedFramesMax]).toEqual([64, 32, 8]);
    expect([limits.handshakeTimeoutMs, limits.oapIdleMs]).toEqual([5_000, 60_000]);
  });
});
