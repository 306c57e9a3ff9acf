/** A manager whose list the test sets, and whose answers it gives. */

import { Signal } from '@lumino/signaling';

import {
  Application,
  OpenedTunnel,
  TunnelRequest,
  TunnelStatus
} from '../src/api';
import { TunnelError } from '../src/restapi';
import { ITunnelManager } from '../src/tokens';

export class ListedTunnels implements ITunnelManager {
  tunnels: TunnelStatus[] = [];
  applications: Application[] = [];
  offersOrigin = false;
  problem: TunnelError | null = null;
  readonly ready = Promise.resolve();
  readonly changed = new Signal<this, void>(this);
  readonly isDisposed = false;

  /** What was asked for, in order. */
  readonly asked: [string, unknown][] = [];
  /** What the next requests are answered, or will be; an error is thrown. */
  readonly answers: (
    OpenedTunnel | TunnelError | Promise<OpenedTunnel> | undefined
  )[] = [];

  dispose(): void {}

  async refresh(): Promise<void> {}

  async open(request: TunnelRequest): Promise<OpenedTunnel> {
    return (await this._answer('open', request)) as OpenedTunnel;
  }

  async restart(id: string): Promise<void> {
    await this._answer('restart', id);
  }

  async close(id: string): Promise<void> {
    await this._answer('close', id);
  }

  private async _answer(
    method: string,
    argument: unknown
  ): Promise<OpenedTunnel | undefined> {
    this.asked.push([method, argument]);
    const answer = this.answers.shift();
    if (answer instanceof TunnelError) {
      throw answer;
    }
    return answer;
  }
}
