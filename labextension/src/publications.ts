/** Keeps what is published of this Jupyter like the server's list. */

import { Event } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { Publication, PublicationList } from './api';
import { Following } from './following';
import { TunnelAPI, TunnelError } from './restapi';
import { IPublicationManager } from './tokens';

const EVENT_SCHEMA =
  'https://schema.jupyter.org/jupyter_remote_tunnel/publication/v1';

/** What one fetch brought. */
interface Snapshot extends PublicationList {
  problem: TunnelError | null;
}

const NOTHING: Snapshot = {
  publications: [],
  ways: [],
  hours: 0,
  password_file: '',
  outside: false,
  problem: null
};

export class PublicationManager implements IPublicationManager {
  constructor(
    private readonly _api: TunnelAPI,
    events: Event.Stream
  ) {
    this._list = new Following({
      name: 'jupyter-remote-tunnel:publications',
      events,
      schema: EVENT_SCHEMA,
      first: NOTHING,
      ask: last => this._ask(last)
    });
    this._list.changed.connect(() => this._changed.emit());
    this.ready = this._list.ready;
  }

  readonly ready: Promise<void>;

  get publications(): readonly Publication[] {
    return this._list.value.publications;
  }

  get ways(): PublicationList['ways'] {
    return this._list.value.ways;
  }

  get hours(): number {
    return this._list.value.hours;
  }

  get passwordFile(): string {
    return this._list.value.password_file;
  }

  get isOutside(): boolean {
    return this._list.value.outside;
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

  async stop(id: string): Promise<void> {
    try {
      await this._list.refreshed(() => this._api.stopPublishing(id));
    } catch (error) {
      const { code } = error as TunnelError;
      // Who came in through it is cut off by its end, mostly before the answer.
      const isCut = code === 'server_unreachable' || code === 'http';
      if (code !== 'not_found' && !(this.isOutside && isCut)) {
        throw error;
      }
    }
  }

  extend(id: string): Promise<Publication> {
    return this._list.refreshed(() => this._api.extendPublishing(id));
  }

  private async _ask(last: Snapshot): Promise<Snapshot> {
    try {
      return { ...(await this._api.publications(true)), problem: null };
    } catch (error) {
      return { ...last, problem: error as TunnelError };
    }
  }

  private readonly _list: Following<Snapshot>;
  private readonly _changed = new Signal<this, void>(this);
}
