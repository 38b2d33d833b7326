import { describe, expect, it } from 'vitest';
import { parseLoadArgs } from './args.ts';

const parse = (...argv: string[]) => parseLoadArgs(argv, { RON_NODE_URL: 'http://127.0.0.1:1/', RON_CAP: 'c' }, 42);

describe('the command line of load', () => {
  it('takes names and flags, and draws a seed when none is given', () => {
    expect(parse('spike', '--quick', '--mix', 'small')).toMatchObject({
      names: ['spike'],
      quick: true,
      mix: 'small',
      seed: 42,
    });
    expect(parse('--seed', '7', '--constant')).toMatchObject({ seed: 7, arrivals: 'constant', url: undefined });
  });

  it('aims at a running node only when it is told to', () => {
    expect(parse('--attach')).toMatchObject({ url: 'http://127.0.0.1:1', cap: 'c' });
    expect(parse('--url', 'http://h:2', '--cap', 'd')).toMatchObject({ url: 'http://h:2', cap: 'd' });
    expect(() => parseLoadArgs(['--attach'], {}, 1)).toThrow(RangeError);
    expect(() => parseLoadArgs(['--url', 'http://h'], {}, 1)).toThrow('--cap');
  });

  it.each([
    ['--mix', 'none'],
    ['--seed', '-1'],
    ['--seed', 'x'],
    ['--saturation', '9'],
    ['--connections', '0'],
    ['--no-such'],
  ])('refuses %s %s', (...argv) => {
    expect(() => parse(...argv)).toThrow();
  });
});
