export { createConnection } from './connection.ts';
export type {
  Answer,
  ClosedConnection,
  Connection,
  ConnectionHandler,
  ConnectionOptions,
  OpenedStream,
  OpenRequest,
  Role,
  SendBodyOptions,
  StartedAnswer,
} from './connection-types.ts';
export {
  createOapClient,
  type OapCall,
  type OapClient,
  type OapClientOptions,
  type OapReply,
} from './driver/client.ts';
export { InboundBody } from './driver/inbound-body.ts';
export { OutboundBody } from './driver/outbound-body.ts';
export { type BytePipe, type DriverClock, tickMs } from './driver/pipe.ts';
export { TransferWatch } from './driver/transfer-watch.ts';
export { FrameDecoder, type FrameHead, type FrameSink, type PayloadMode } from './frame-decoder.ts';
export { encodeFrame, type FrameFields, writeFrameHead } from './frame-encoder.ts';
export {
  type AnswerHeader,
  type DataHeader,
  parseAnswerHeader,
  parseDataHeader,
  parseHeader,
  parseRequestHeader,
  type RequestHeader,
} from './headers.ts';
export {
  encodeHelloReply,
  encodeHelloRequest,
  type HelloIdentity,
  type HelloReply,
  type HelloRequest,
  helloProbe,
  negotiateMaxFrame,
  parseHelloReply,
  parseHelloRequest,
} from './hello.ts';
export { helloFrameBytesMax } from './hello-exchange.ts';
export type { Inflate } from './inflate.ts';
export { type ConnectionLimits, type Limits, limits } from './limits.ts';
export { encodeHeader, encodePayload, type PayloadParts, splitPayload } from './payload.ts';
export { type RefusalReason, refusalError, refusalReasons } from './refusals.ts';
export { codeOfStatus, errorFromFrame, isErrorStatus, statusOfCode } from './status.ts';
export {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
  parseStrictObject,
  type StrictJsonLimits,
} from './strict-json.ts';
export {
  appId,
  controlCode,
  flagsAll,
  flagsWithoutComp,
  frameFlag,
  frameHeadBytes,
  frameLenMin,
  frameVersion,
  tenantBytes,
} from './wire.ts';
