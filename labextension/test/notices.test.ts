import { Notification } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { TunnelStatus } from '../src/api';
import { Notices } from '../src/notices';
import { TunnelError } from '../src/restapi';
import { prompt, tunnel } from './samples';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');
const error = { code: 'needs_user', message: 'It asks.', hint: '', hop: null };

let manager: ListedTunnels;
let loggedIn: string[];

beforeEach(() => {
  manager = new ListedTunnels();
  loggedIn = [];
  document.title = 'JupyterLab';
  new Notices(manager, ({ id }) => loggedIn.push(id), trans);
});

afterEach(() => {
  vi.restoreAllMocks();
  list();
  Notification.dismiss();
});

function list(...tunnels: TunnelStatus[]): void {
  manager.tunnels = tunnels;
  manager.ask();
}

function waiting(id: string, change: Partial<TunnelStatus> = {}): TunnelStatus {
  return tunnel({ id, state: 'waiting_for_user', error, ...change });
}

function told(): string[] {
  return Notification.manager.notifications.map(({ message }) => message);
}

describe('a tunnel that has lost its connection and waits', () => {
  const NOTICE =
    'gpu01 has to ask you something before the tunnel bokeh can connect again.';

  it('is told of once, and with a button, until it is open', () => {
    list(tunnel({ id: 'a' }));
    expect(told()).toEqual([]);
    list(waiting('a', { host: 'gpu01', name: 'bokeh' }));
    manager.changed.emit();
    expect(told()).toEqual([NOTICE]);
    const { options } = Notification.manager.notifications[0]!;
    expect(options.autoClose).toBe(false);
    options.actions![0]!.callback(new MouseEvent('click'));
    expect(loggedIn).toEqual(['a']);
    list(tunnel({ id: 'a' }));
    expect(told()).toEqual([]);
    list(waiting('a', { host: 'gpu01', name: 'bokeh' }));
    expect(told()).toEqual([NOTICE]);
    manager.problem = new TunnelError({ code: 'http', message: 'No.' });
    list();
    expect(told()).toEqual([NOTICE]);
    manager.problem = null;
    list();
    expect(told()).toEqual([]);
  });

  it('is told of with the others to its host', () => {
    const host = 'gpu01';
    list(waiting('a', { host }), waiting('b', { host }), waiting('c'));
    expect(told()).toHaveLength(2);
    list(tunnel({ id: 'a', host }), waiting('b', { host }));
    expect(told()).toHaveLength(1);
  });

  it('is not told of while somebody is asked, nor to those who have cancelled', () => {
    list(waiting('a', { error: null }));
    manager.ask(prompt({}, 'p'));
    manager.tunnels = [waiting('0123456789ab')];
    manager.changed.emit();
    expect(told()).toEqual([]);
    manager.ask();
    expect(told()).toEqual([]);
    manager.tunnels = [waiting('b')];
    manager.others = [
      { id: 'q', hop: 'gpu01', tunnels: ['b'], waits_for: ['Bob'] }
    ];
    manager.changed.emit();
    expect(told()).toEqual([]);
    manager.others = [];
    manager.changed.emit();
    expect(told()).toHaveLength(1);
  });
});

describe('the tab in the background', () => {
  function look(hidden: boolean): void {
    vi.spyOn(document, 'hidden', 'get').mockReturnValue(hidden);
    document.dispatchEvent(new Event('visibilitychange'));
  }

  it('counts what waits until somebody looks', () => {
    manager.ask(prompt());
    expect(document.title).toBe('JupyterLab');
    look(true);
    expect(document.title).toBe('(1) JupyterLab');
    manager.tunnels = [waiting('a')];
    manager.changed.emit();
    expect(document.title).toBe('(2) JupyterLab');
    Notification.dismiss();
    manager.ask();
    expect(document.title).toBe('JupyterLab');
    manager.ask(prompt());
    expect(document.title).toBe('(1) JupyterLab');
    look(false);
    expect(document.title).toBe('JupyterLab');
  });

  it('leaves a title alone that has become another one', () => {
    look(true);
    manager.ask(prompt());
    document.title = 'plot.ipynb';
    look(false);
    expect(document.title).toBe('plot.ipynb');
  });
});
