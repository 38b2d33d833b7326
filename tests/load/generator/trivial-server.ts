import { createServer } from 'node:net';

/**
 * Answers every request head with the same bytes and looks at nothing else: what a generator reaches against it is
 * the generator's own bound. Bodies of requests are not expected. Ends with its parent.
 */
const bodyBytes = Number(process.argv[2] ?? 0);
const head = `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bodyBytes}\r\n\r\n`;
const answer = Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(bodyBytes, 0x2e)]);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (bytes: Buffer) => {
    if (bytes.subarray(-4).equals(endOfHead)) socket.write(answer);
  });
  socket.on('error', () => socket.destroy());
});
const endOfHead = Buffer.from('\r\n\r\n');

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.send?.({ port: address.port });
});
process.once('disconnect', () => process.exit(0));
