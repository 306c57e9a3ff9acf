/** An HTTP server on a free port of loopback that answers like the server extension. */

import {
  createServer,
  IncomingMessage,
  OutgoingHttpHeaders,
  Server
} from 'node:http';
import { AddressInfo } from 'node:net';

import { ServerConnection } from '@jupyterlab/services';

export interface Seen {
  method: string;
  url: URL;
  body: unknown;
}

export interface Answer {
  status?: number;
  headers?: OutgoingHttpHeaders;
  body?: unknown;
}
export type Answerer = (seen: Seen) => Answer | Promise<Answer>;

export class TestServer {
  /** Every request so far. */
  readonly seen: Seen[] = [];

  constructor(private readonly _answer: Answerer) {
    this._server = createServer(async (request, response) => {
      const seen = {
        method: request.method!,
        url: new URL(request.url!, 'http://localhost'),
        body: await read(request)
      };
      this.seen.push(seen);
      const { status = 200, headers, body } = await this._answer(seen);
      response.writeHead(status, headers);
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
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
