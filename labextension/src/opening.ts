/**
 * One try to open a tunnel, which can be taken back.
 *
 * The server says which tunnel it made when that is open, and not before. What a try leaves in the
 * list until then is found there: it was not in it when the try began.
 */

import { OpenedTunnel, TunnelRequest, TunnelStatus } from './api';
import { TunnelError } from './restapi';
import { ITunnelManager } from './tokens';

export class Opening {
  constructor(
    private readonly _manager: ITunnelManager,
    request: TunnelRequest
  ) {
    this._before = new Set(_manager.tunnels.map(({ id }) => id));
    this.result = _manager.open(request);
  }

  /** Fulfilled when the tunnel is open; fails with a `TunnelError`. */
  readonly result: Promise<OpenedTunnel>;

  /** Close what is being opened; if it opens all the same, then. */
  async giveUp(): Promise<void> {
    await this._manager.refresh();
    const connecting = this._left(
      ({ state }) => state === 'connecting' || state === 'waiting_for_user'
    );
    // Another front door may be opening one as well, and the list does not tell whose is whose.
    if (connecting.length === 1) {
      await this._close(connecting);
    }
    const opened = await this.result.catch(() => null);
    if (opened?.created) {
      await this._close([opened.tunnel]);
    }
    await this.dismiss();
  }

  /** If it failed, take its row off the list. */
  async dismiss(): Promise<void> {
    try {
      await this.result;
    } catch (reason) {
      const { message } = reason as TunnelError;
      await this._close(
        this._left(
          ({ error, state }) => state === 'failed' && error?.message === message
        )
      );
    }
  }

  /** What came into the list since this began. */
  private _left(is: (tunnel: TunnelStatus) => boolean): TunnelStatus[] {
    return this._manager.tunnels.filter(
      tunnel => !this._before.has(tunnel.id) && is(tunnel)
    );
  }

  private async _close(tunnels: TunnelStatus[]): Promise<void> {
    // One that is gone already is no trouble, and any other trouble shows in the list.
    await Promise.allSettled(tunnels.map(({ id }) => this._manager.close(id)));
  }

  private readonly _before: ReadonlySet<string>;
}
