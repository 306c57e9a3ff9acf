/** What other extensions can ask for. */

import { Token } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal } from '@lumino/signaling';

import {
  Application,
  OpenedTunnel,
  OthersPrompt,
  Prompt,
  PromptAnswer,
  Publication,
  PublicationList,
  TunnelRequest,
  TunnelStatus
} from './api';
import { TunnelError } from './restapi';

/** The tunnels of this Jupyter server, kept up to date. */
export interface ITunnelManager extends IDisposable {
  /** In the order in which they were opened. */
  readonly tunnels: readonly TunnelStatus[];

  /** The forwards that can be looked at as web applications. */
  readonly applications: readonly Application[];

  /** Under which host names the server offers applications an origin of their own, such as
   * `{id}.localhost`; '' where it does not. */
  readonly originNames: string;

  /** What hosts ask this login, the oldest first; none while the server does not tell. */
  readonly prompts: readonly Prompt[];

  /** What hosts ask others. */
  readonly others: readonly OthersPrompt[];

  /** Why the list is not up to date, or null if it is. */
  readonly problem: TunnelError | null;

  /** Fulfilled when the list was asked for once, whatever came of it; that is when JupyterLab is
   * restored, or as soon as somebody asks for this. */
  readonly ready: Promise<void>;

  /** The list, a status, a question, or the problem is another one. */
  readonly changed: ISignal<ITunnelManager, void>;

  /** Ask the server for the list; never fails, but sets `problem`. */
  refresh(): Promise<void>;

  /** Ask often, so that counts are current, until what this gives is disposed of. */
  watch(): IDisposable;

  /** Fulfilled when the tunnel is open; fails with a `TunnelError`. */
  open(request: TunnelRequest): Promise<OpenedTunnel>;

  /** Fulfilled when the tunnel is open again; fails with a `TunnelError`. */
  restart(id: string): Promise<void>;

  /** Close a tunnel, or dismiss a failed one; fails with a `TunnelError`. */
  close(id: string): Promise<void>;

  /** Answer a question; fails with a `TunnelError`. */
  answer(prompt: string, answer: PromptAnswer): Promise<void>;

  /** End what a question is asked for; fails with a `TunnelError`. */
  giveUp(prompt: string): Promise<void>;
}

export const ITunnelManager = new Token<ITunnelManager>(
  'jupyter-remote-tunnel:ITunnelManager',
  'The SSH tunnels of this Jupyter server.'
);

/** How this Jupyter is published, kept up to date. */
export interface IPublicationManager extends IDisposable {
  /** What is published now; the last known, while the server does not tell. */
  readonly publications: readonly Publication[];

  /** How it may be; none where it may not, or where nobody knows yet. */
  readonly ways: PublicationList['ways'];

  /** After which a publication ends by itself, where nobody says another time. */
  readonly hours: number;

  /** Where a new password would be written. */
  readonly passwordFile: string;

  /** Whether this page came in from outside: it can see and end what is published. */
  readonly isOutside: boolean;

  /** Whether it came in by a way that leads nowhere now: it was closed, or the connection lost. */
  readonly isLost: boolean;

  /** Why this is not up to date, or null if it is. */
  readonly problem: TunnelError | null;

  /** Fulfilled when the server was asked once, whatever came of it; that is when JupyterLab is
   * restored, or as soon as somebody asks for this. */
  readonly ready: Promise<void>;

  /** One of all that is another one. */
  readonly changed: ISignal<IPublicationManager, void>;

  /** Ask the server; never fails, but sets `problem`. */
  refresh(): Promise<void>;

  /** Ask often, so that counts are current, until what this gives is disposed of. */
  watch(): IDisposable;

  /** End a publication; fails with a `TunnelError`. */
  stop(id: string): Promise<void>;

  /** Have one end so long from now as the server is set; fails with a `TunnelError`. */
  extend(id: string): Promise<Publication>;
}

export const IPublicationManager = new Token<IPublicationManager>(
  'jupyter-remote-tunnel:IPublicationManager',
  'How this Jupyter server is published.'
);
