/** An HTTP server on a free port of loopback that answers like the server extension. */

import { createHash } from 'node:crypto';
import {
  createServer,
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  Server
} from 'node:http';
import { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';

import { ServerConnection } from '@jupyterlab/services';

export interface Seen {
  method: string;
  url: URL;
  headers: IncomingHttpHeaders;
  body: unknown;
}

export interface Answer {
  status?: number;
  headers?: OutgoingHttpHeaders;
  /** What is sent: a text, some of them one after the other, or JSON. */
  body?: unknown;
}
export type Answerer = (seen: Seen) => Answer | Promise<Answer>;

// With which a key is answered (RFC 6455, section 1.3).
const WEBSOCKET = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export class TestServer {
  /** Every request so far. */
  readonly seen: Seen[] = [];

  constructor(private readonly _answer: Answerer) {
    this._server = createServer(async (request, response) => {
      const seen = {
        method: request.method!,
        url: new URL(request.url!, 'http://localhost'),
        headers: request.headers,
        body: await read(request)
      };
      this.seen.push(seen);
      const { status = 200, headers, body } = await this._answer(seen);
      response.writeHead(status, headers);
      if (body instanceof Object && Symbol.asyncIterator in body) {
        Readable.from(body as AsyncIterable<string>).pipe(response);
        return;
      }
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  }

  /** Let websockets neither open nor fail. */
  ignoreWebsockets(): void {
    this._server.on('upgrade', (_, socket) =>
      socket.resume().on('end', () => socket.destroy())
    );
  }

  /** Take websockets, too: they open, and nothing more. */
  takeWebsockets(): void {
    this._server.on('upgrade', ({ headers }, socket) => {
      const key = headers['sec-websocket-key'];
      const accept = createHash('sha1').update(`${key}${WEBSOCKET}`);
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
          `Sec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`
      );
      socket.on('data', () => socket.destroy()); // the other side says good-bye
    });
  }

  /** Fulfilled with settings that lead here. */
  async start(): Promise<ServerConnection.ISettings> {
    await new Promise<void>(resolve =>
      this._server.listen(0, '127.0.0.1', resolve)
    );
    const { port } = this._server.address() as AddressInfo;
    return ServerConnection.makeSettings({
      baseUrl: `http://127.0.0.1:${port}/base/`,
      token: '',
      fetch,
      Request,
      Headers
    });
  }

  stop(): Promise<void> {
    this._server.closeAllConnections();
    return new Promise(resolve => this._server.close(() => resolve()));
  }

  private readonly _server: Server;
}

async function read(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString();
  return text ? JSON.parse(text) : null;
}
