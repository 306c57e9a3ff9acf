/**
 * One try to open a tunnel, which can be taken back.
 *
 * The server says which tunnel it made when that is open, and not before: so the tunnel's id is
 * chosen here. Where the server finds an equal tunnel instead, nothing has that id.
 */

import { OpenedTunnel, TunnelRequest, TunnelStatus } from './api';
import { ITunnelManager } from './tokens';

export class Opening {
  constructor(
    private readonly _manager: ITunnelManager,
    request: TunnelRequest
  ) {
    this.result = _manager.open({ ...request, id: this._id });
  }

  /** Fulfilled when the tunnel is open; fails with a `TunnelError`. */
  readonly result: Promise<OpenedTunnel>;

  /** Close what is being opened; if it opens all the same, or fails, then. */
  async giveUp(): Promise<void> {
    await this._close();
    await this.result.catch(() => null);
    await this._close();
  }

  /** Its tunnel, while that is in the list. */
  get row(): TunnelStatus | undefined {
    return this._manager.tunnels.find(({ id }) => id === this._id);
  }

  /** Take what failed off the list, unless somebody has opened it since. */
  async dismiss(): Promise<void> {
    if (this.row?.state === 'failed') {
      await this._close();
    }
  }

  private async _close(): Promise<void> {
    // One that is not there is no trouble, and any other trouble shows in the list.
    await this._manager.close(this._id).catch(() => null);
  }

  private readonly _id = newId();
}

/** 12 random hexadecimal digits. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}
