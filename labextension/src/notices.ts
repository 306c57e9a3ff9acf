/**
 * Signs for a person who looks elsewhere: a notification where a tunnel has lost its connection and
 * waits for them to log in, and a number in the browser's tab while that is in the background.
 */

import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';

import { TunnelStatus } from './api';
import { ITunnelManager } from './tokens';

export class Notices {
  /** @param logIn - has the host of a tunnel ask what it wants to know. */
  constructor(
    private readonly _manager: ITunnelManager,
    private readonly _logIn: (tunnel: TunnelStatus) => void,
    private readonly _trans: TranslationBundle
  ) {
    _manager.changed.connect(this._look, this);
    document.addEventListener('visibilitychange', this._mark);
    this._look();
  }

  private _look(): void {
    const { others, problem, prompts, tunnels } = this._manager;
    if (problem) {
      return; // nobody knows what waits
    }
    for (const { id, state } of tunnels) {
      if (state === 'open') {
        this._known.delete(id);
      }
    }
    // Who is asked in a dialog knows, also when they have cancelled that.
    prompts
      .flatMap(({ tunnels }) => tunnels)
      .forEach(id => this._known.add(id));
    const asked = new Set(
      [...prompts, ...others].flatMap(({ tunnels }) => tunnels)
    );
    const waiting = tunnels.filter(
      ({ error, id, state }) =>
        state === 'waiting_for_user' && error !== null && !asked.has(id)
    );
    for (const [host, notice] of this._notices) {
      if (!waiting.some(tunnel => tunnel.host === host)) {
        Notification.dismiss(notice);
        this._notices.delete(host);
      }
    }
    for (const tunnel of waiting) {
      if (!this._known.has(tunnel.id)) {
        this._known.add(tunnel.id);
        this._tell(tunnel);
      }
    }
    this._mark();
  }

  /** Once for all tunnels to a host: when one of them is back, so are the others. */
  private _tell(tunnel: TunnelStatus): void {
    const { host } = tunnel;
    if (this._notices.has(host)) {
      return;
    }
    const message = this._trans.__(
      '%1 has to ask you something before the tunnel %2 can connect again.',
      host,
      tunnel.name
    );
    const label = this._trans.__('Log in…');
    const notice = Notification.warning(message, {
      autoClose: false,
      actions: [
        { label, displayType: 'accent', callback: () => this._logIn(tunnel) }
      ]
    });
    this._notices.set(host, notice);
  }

  /** JupyterLab words the title; what it gets in front goes when somebody looks. */
  private _mark = (): void => {
    if (document.title.startsWith(this._prefix)) {
      document.title = document.title.slice(this._prefix.length);
    }
    const told = [...this._notices.values()].filter(notice =>
      Notification.manager.has(notice)
    );
    const count = this._manager.prompts.length + told.length;
    this._prefix = document.hidden && count > 0 ? `(${count}) ` : '';
    if (this._prefix) {
      document.title = this._prefix + document.title;
    }
  };

  private _prefix = '';
  /** The tunnels that wait and of which it was told, by id. */
  private readonly _known = new Set<string>();
  /** By host. */
  private readonly _notices = new Map<string, string>();
}
