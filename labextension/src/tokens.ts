/** What other extensions can ask for. */

import { Token } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal } from '@lumino/signaling';

import { Application, OpenedTunnel, TunnelRequest, TunnelStatus } from './api';
import { TunnelError } from './restapi';

/** The tunnels of this Jupyter server, kept up to date. */
export interface ITunnelManager extends IDisposable {
  /** In the order in which they were opened. */
  readonly tunnels: readonly TunnelStatus[];

  /** The forwards that can be looked at as web applications. */
  readonly applications: readonly Application[];

  /** Whether the server offers an application an origin of its own. */
  readonly offersOrigin: boolean;

  /** Why the list is not up to date, or null if it is. */
  readonly problem: TunnelError | null;

  /** Fulfilled when the list was asked for once, whatever came of it. */
  readonly ready: Promise<void>;

  /** The list, a status, or the problem is another one. */
  readonly changed: ISignal<ITunnelManager, void>;

  /** Ask the server for the list; never fails, but sets `problem`. */
  refresh(): Promise<void>;

  /** Fulfilled when the tunnel is open; fails with a `TunnelError`. */
  open(request: TunnelRequest): Promise<OpenedTunnel>;

  /** Fulfilled when the tunnel is open again; fails with a `TunnelError`. */
  restart(id: string): Promise<void>;

  /** Close a tunnel, or dismiss a failed one; fails with a `TunnelError`. */
  close(id: string): Promise<void>;
}

export const ITunnelManager = new Token<ITunnelManager>(
  'jupyter-remote-tunnel:ITunnelManager',
  'The SSH tunnels of this Jupyter server.'
);
