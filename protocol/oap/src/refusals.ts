import { type ErrorCode, RonError } from '@ron/proto/errors';

/**
 * Every way a peer can break the protocol, with the text it is told. The keys are bounded and safe as metric labels.
 * All of them close the connection; a refusal of one stream is an ordinary error frame and not listed here.
 */
const refusalTexts = {
  len_too_small: 'len is under 33',
  len_too_large: 'len is above max_frame',
  unknown_version: 'unknown frame version',
  capability_past_frame: 'cap_len reaches past the frame',
  capability_without_start: 'a capability on a frame without START',
  stream_id_too_large: 'stream_id is above 2^53-1',
  first_frame_not_hello: 'the first frame is not HELLO',
  hello_malformed: 'HELLO cannot be read',
  hello_max_frame: 'HELLO asks for a max_frame outside the allowed range',
  second_hello: 'HELLO was already said',
  kind_ambiguous: 'a frame is exactly one of REQ, RESP and EVENT',
  stream_zero: 'stream_id 0 belongs to the connection',
  app_mismatch: 'app_proto_id differs from the one that opened the stream',
  comp_without_start: 'COMP on a frame without START or on an error',
  code_on_request: 'a request carries a code',
  unknown_status: 'a response carries a code that is neither a success nor an error',
  error_without_end: 'an error without END',
  duplicate_start: 'START on a stream that is open',
  stream_id_not_growing: 'START with a stream_id that was used before',
  data_without_start: 'data or END without START',
  data_after_end: 'a frame after END',
  response_without_request: 'RESP without REQ',
  request_from_acceptor: 'REQ from the side that accepted the connection',
  event_from_opener: 'EVENT from the side that opened the connection',
  header_past_frame: 'hdr_len reaches past the payload',
  credit_exceeded: 'more body bytes than the credit allows',
  credit_malformed: 'a grant that cannot be counted',
  control_malformed: 'a control frame that cannot be read',
  truncated_frame: 'the connection ended inside a frame',
  handshake_timeout: 'no HELLO in time',
  slow_frame: 'a frame arrives too slowly',
  peer_not_reading: 'the peer does not read its replies',
} as const;

/** Why a connection was closed for a violation. */
export type RefusalReason = keyof typeof refusalTexts;

export const refusalReasons = Object.keys(refusalTexts) as readonly RefusalReason[];

const otherCodes: Partial<Record<RefusalReason, ErrorCode>> = {
  handshake_timeout: 'request_timeout',
  slow_frame: 'request_timeout',
  peer_not_reading: 'unavailable',
};

/** The error that the peer gets before the connection closes: `bad_request`, except for slow peers. */
export function refusalError(reason: RefusalReason): RonError {
  return new RonError(otherCodes[reason] ?? 'bad_request', refusalTexts[reason], { details: { reason } });
}
