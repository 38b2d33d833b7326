import { SLICE_MEDIA_TYPE } from '@ron/b3';
import { describe, expect, it } from 'vitest';
import { prefersSlice } from './accept.ts';
import { isNotModified, rangeStillApplies } from './conditionals.ts';

const etag = `"b3:${'a'.repeat(64)}"`;

describe('If-None-Match', () => {
  it.each(['*', ' * ', etag, `W/${etag}`, `"other", ${etag}`, `W/"a,b" ,\t${etag}`, `${etag},"x"`, `"",${etag}`])(
    '%s matches',
    (header) => {
      expect(isNotModified(header, etag)).toBe(true);
    },
  );

  it.each([
    '',
    '"other"',
    etag.slice(1),
    etag.slice(0, -1),
    `w/${etag}`,
    `W/ ${etag}`,
    `x${etag}`,
    `**`,
    etag.toUpperCase(),
    `"x" y, ${etag}`,
  ])('%s does not match', (header) => {
    expect(isNotModified(header, etag)).toBe(false);
  });
});

describe('If-Range', () => {
  it('lets a range pass for the same strong tag only', () => {
    expect(rangeStillApplies(undefined, etag)).toBe(true);
    expect(rangeStillApplies(etag, etag)).toBe(true);
    expect(rangeStillApplies(`W/${etag}`, etag)).toBe(false);
    expect(rangeStillApplies('"other"', etag)).toBe(false);
    expect(rangeStillApplies('Sat, 29 Oct 1994 19:43:31 GMT', etag)).toBe(false);
  });
});

describe('Accept', () => {
  it.each([
    SLICE_MEDIA_TYPE,
    `${SLICE_MEDIA_TYPE}, */*;q=0.5`,
    `*/*;q=0.9, ${SLICE_MEDIA_TYPE};q=0.9`,
    `application/octet-stream;q=0, */*, ${SLICE_MEDIA_TYPE};q=0.1`,
  ])('%s asks for the slice', (accept) => {
    expect(prefersSlice(accept, 'application/octet-stream')).toBe(true);
  });

  it.each([
    undefined,
    '*/*',
    'application/*',
    'text/html,application/xhtml+xml,*/*;q=0.8',
    `${SLICE_MEDIA_TYPE};q=0`,
    `${SLICE_MEDIA_TYPE};q=0.5, */*`,
    `${SLICE_MEDIA_TYPE};q=0.5, application/*;q=0.6, */*;q=0.1`,
    `x${SLICE_MEDIA_TYPE}`,
  ])('%s asks for the bytes', (accept) => {
    expect(prefersSlice(accept, 'application/octet-stream')).toBe(false);
  });

  it('weighs against the type of the entry, parameters aside', () => {
    expect(prefersSlice(`text/html, ${SLICE_MEDIA_TYPE};q=0.9`, 'text/html; charset=utf-8')).toBe(false);
    expect(prefersSlice(`text/css, ${SLICE_MEDIA_TYPE};q=0.9`, 'text/html; charset=utf-8')).toBe(true);
  });
});
