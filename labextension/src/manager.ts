/**
 * Keeps the list of tunnels, and of what their hosts ask, like the server's.
 */

import { Event } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import {
  Application,
  OpenedTunnel,
  OthersPrompt,
  Prompt,
  PromptAnswer,
  TunnelRequest,
  TunnelStatus
} from './api';
import { Following } from './following';
import { UNKNOWN } from './format';
import { TunnelAPI, TunnelError } from './restapi';
import { ITunnelManager } from './tokens';

const EVENT_SCHEMA =
  'https://schema.jupyter.org/jupyter_remote_tunnel/tunnel/v1';

/** What one fetch brought. */
interface Snapshot {
  tunnels: TunnelStatus[];
  applications: Application[];
  offersOrigin: boolean;
  prompts: Prompt[];
  others: OthersPrompt[];
  problem: TunnelError | null;
}

const NOTHING: Snapshot = {
  tunnels: [],
  applications: [],
  offersOrigin: false,
  prompts: [],
  others: [],
  problem: null
};

export class TunnelManager implements ITunnelManager {
  constructor(
    private readonly _api: TunnelAPI,
    events: Event.Stream
  ) {
    this._list = new Following({
      name: 'jupyter-remote-tunnel:tunnels',
      events,
      schema: EVENT_SCHEMA,
      first: NOTHING,
      ask: last => this._ask(last)
    });
    this._list.changed.connect(() => this._changed.emit());
    this.ready = this._list.ready;
  }

  readonly ready: Promise<void>;

  get tunnels(): readonly TunnelStatus[] {
    return this._list.value.tunnels;
  }

  get applications(): readonly Application[] {
    return this._list.value.applications;
  }

  get offersOrigin(): boolean {
    return this._list.value.offersOrigin;
  }

  get prompts(): readonly Prompt[] {
    return this._list.value.prompts;
  }

  get others(): readonly OthersPrompt[] {
    return this._list.value.others;
  }

  get problem(): TunnelError | null {
    return this._list.value.problem;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._list.isDisposed;
  }

  dispose(): void {
    this._list.dispose();
    Signal.clearData(this);
  }

  /** How often to look without being told while nobody watches, in seconds. */
  setInterval(seconds: number): void {
    this._list.setInterval(seconds);
  }

  watch(): IDisposable {
    return this._list.watch();
  }

  refresh(): Promise<void> {
    return this._list.refresh();
  }

  async open(request: TunnelRequest): Promise<OpenedTunnel> {
    return this._watched(() => this._api.open(request));
  }

  async restart(id: string): Promise<void> {
    await this._watched(() => this._api.restart(id));
  }

  async close(id: string): Promise<void> {
    await this._list.refreshed(() => this._api.close(id));
  }

  async answer(prompt: string, answer: PromptAnswer): Promise<void> {
    await this._list.refreshed(() => this._api.answer(prompt, answer));
  }

  async giveUp(prompt: string): Promise<void> {
    await this._list.refreshed(() => this._api.giveUp(prompt));
  }

  /** Do what a host may ask something for: nobody waits for long for a question of which no event
   * told. */
  private async _watched<T>(action: () => Promise<T>): Promise<T> {
    const watch = this.watch();
    try {
      return await this._list.refreshed(action);
    } finally {
      watch.dispose();
    }
  }

  private async _ask(last: Snapshot): Promise<Snapshot> {
    try {
      const [tunnels, { apps, views }, { prompts, others }] = await Promise.all(
        [
          this._api.tunnels(true),
          this._api.applications(true),
          this._api.prompts(true)
        ]
      );
      return {
        tunnels,
        applications: apps,
        offersOrigin: views.origin,
        prompts,
        others,
        problem: null
      };
    } catch (error) {
      return {
        ...last,
        // The last list stays, with the reason why nobody knows what has become of it.
        tunnels: last.tunnels.map(inTheDark),
        // A dialog that cannot be answered would only be in the way of what Jupyter says of that.
        prompts: [],
        others: [],
        problem: error as TunnelError
      };
    }
  }

  private readonly _list: Following<Snapshot>;
  private readonly _changed = new Signal<this, void>(this);
}

/** What is left of a status while the server does not tell. */
function inTheDark(tunnel: TunnelStatus): TunnelStatus {
  return { ...tunnel, state: UNKNOWN, error: null, next_try: null };
}
