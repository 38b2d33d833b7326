import { RonClientError } from '@ron/app-sdk';
import { errorCodes, RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { usageError } from '../cli-error.ts';
import { renderReport, reportAsJson, reportOf } from './error-report.ts';

const place = { command: 'ron put', url: 'http://127.0.0.1:9600' };

describe('reports of errors', () => {
  it('has exactly three lines whatever the message holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(...errorCodes), (message, code) => {
        const text = renderReport(reportOf(new RonClientError(code, message, { corrId: 'c'.repeat(8) }), place));
        expect(text.split('\n')).toHaveLength(3);
        expect(text).not.toContain('\u001b');
      }),
    );
  });

  it('tells code and corr_id', () => {
    const report = reportOf(new RonClientError('forbidden', 'no', { corrId: 'abcd1234' }), place);
    expect(renderReport(report)).toBe('ron: no\n  why: forbidden, corr_id abcd1234\n  try: ron cap show');
  });

  it('names the rule of the policy that said no, how often it was tried, and when to try again', () => {
    const details = { policy: 'b3:00', rule: 'no-writes-at-night' };
    const refused = reportOf(new RonClientError('forbidden', 'no', { corrId: '', details }), place);
    expect(refused).toMatchObject({
      why: 'forbidden, by the policy of the node, rule "no-writes-at-night"',
      next: 'ron policy show   (look for the rule "no-writes-at-night")',
    });
    const busy = reportOf(
      new RonClientError('quota_exhausted', 'slow', { corrId: '', retryAfterMs: 7_000, attempts: 5 }),
      place,
    );
    expect(busy.why).toMatch(/^quota_exhausted, 5 attempts, again in 7/);
    expect(busy.next).toMatch(/^ron put … {3}\(again in 7/);
  });

  it.each([
    ['not_found', 3],
    ['unauthenticated', 4],
    ['forbidden', 4],
    ['quota_exhausted', 5],
    ['payload_too_large', 5],
    ['insufficient_storage', 5],
    ['unavailable', 6],
    ['deadline_exceeded', 6],
    ['integrity', 7],
    ['bad_digest', 7],
    ['conflict', 8],
    ['bad_request', 2],
    ['internal', 1],
  ] as const)('%s ends with %i', (code, exitCode) => {
    expect(reportOf(new RonError(code, 'x'), place).exitCode).toBe(exitCode);
  });

  it.each([
    ['ron mailbox send', 'conflict', /--key OTHER/],
    ['ron mailbox ack', 'conflict', /^ron mailbox recv/],
    ['ron mailbox stats', 'not_found', /^ron mailbox ls/],
    ['ron mailbox send', 'quota_exhausted', /^ron mailbox ls/],
    ['ron mailbox send', 'forbidden', /^ron cap show/],
    ['ron name set', 'conflict', /^ron name ls/],
    ['ron restart', 'not_found', /^ron ps$/],
  ] as const)('knows what to do after %s: %s', (command, code, next) => {
    expect(reportOf(new RonError(code, 'x'), { command, url: undefined }).next).toMatch(next);
  });

  it('says how the connection failed and where to', () => {
    const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    const error = new RonClientError('unavailable', 'no answer from the node', { corrId: '', cause });
    expect(reportOf(error, place)).toMatchObject({
      message: 'no answer from the node at http://127.0.0.1:9600',
      why: 'unavailable, ECONNREFUSED',
    });
  });

  it('says when to come again', () => {
    const error = new RonClientError('quota_exhausted', 'too fast', { corrId: '', retryAfterMs: 1_500 });
    expect(reportOf(error, place).why).toBe('quota_exhausted, again in 1.5 s');
  });

  it('explains errors of the file system', () => {
    const error = Object.assign(new Error('ENOENT: …'), { code: 'ENOENT', path: 'x.txt' });
    expect(reportOf(error, place)).toMatchObject({ message: 'x.txt: there is no such file or folder', exitCode: 3 });
  });

  it('does not pass off a defect as the user’s mistake', () => {
    expect(reportOf(new TypeError('x is not a function'), place)).toMatchObject({ exitCode: 1 });
  });

  it('is one line of JSON for scripts', () => {
    const json = JSON.parse(reportAsJson(reportOf(usageError('bad', 'ron put --help'), place)));
    expect(json).toEqual({ error: { message: 'bad', why: 'usage', next: 'ron put --help', exit_code: 2 } });
  });
});
