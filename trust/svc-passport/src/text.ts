import { RonError } from '@ron/proto/errors';

const controls = /\p{Cc}|\p{Cs}/u;

/** What is not seen, or turns round how the rest is seen: two names must not look alike by it, in a log or a list. */
const unseen = /\p{Bidi_Control}|\p{Zl}|\p{Zp}|[\u00ad\u200b\u2060-\u2064\ufeff]/u;

/** The node's own names: nobody is issued one of them. */
const servicePrefix = 'service:';

export function serviceSubject(service: string): string {
  return servicePrefix + service;
}

/** @throws RonError `bad_request` */
export function checkSubject(subject: string): void {
  checkText('subject', subject);
  if (subject === 'anonymous' || subject.startsWith(servicePrefix)) refuse('subject', 'is one of the node’s own names');
}

/** @throws RonError `bad_request` */
export function checkText(field: string, text: string): void {
  if (text !== text.trim()) refuse(field, 'begins or ends with a space');
  if (controls.test(text)) refuse(field, 'has control characters');
  if (unseen.test(text)) refuse(field, 'has characters that cannot be seen');
  if (Buffer.byteLength(text) > 128) refuse(field, 'has more than 128 bytes of UTF-8');
}

function refuse(field: string, why: string): never {
  throw new RonError('bad_request', `${field} ${why}`, { details: { field } });
}
