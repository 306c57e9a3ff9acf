/**
 * Whether websockets come through between this page and its Jupyter. Kernels, terminals and news
 * need them, and a proxy of the browser may carry pages and no websocket: then JupyterLab stands
 * there, and nothing runs in it.
 */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';

import { ITunnelManager } from './tokens';
import { canLeadTo } from './view';

/** Milliseconds that a websocket may take to open. */
export const PATIENCE = 10_000;

/**
 * Try it, and tell the person if pages come through and websockets do not.
 *
 * @param manager - knows which names applications have, whose websockets take the same way.
 */
export async function checkWebsockets(
  settings: ServerConnection.ISettings,
  manager: Pick<ITunnelManager, 'originNames' | 'ready'>,
  trans: TranslationBundle,
  patience = PATIENCE
): Promise<void> {
  // Once is nothing: Jupyter may have ended in between, or have been started again.
  for (let attempt = 0; attempt < 2; attempt++) {
    if ((await opens(settings, patience)) || !(await answers(settings))) {
      return;
    }
  }
  await manager.ready;
  const here = new URL(settings.baseUrl);
  tell(here.hostname, suffixOf(manager.originNames, here), trans);
}

/** What the names of applications end in, of "{id}.apps.example.org"; '' without names here. */
export function suffixOf(names: string, here: URL): string {
  return canLeadTo(names, here) ? names.slice(names.indexOf('.')) : '';
}

function tell(host: string, suffix: string, trans: TranslationBundle): void {
  const entry = suffix === '' ? host : `${host}, ${suffix}`;
  // JupyterLab cuts what is longer than 140 characters: the name comes first, the rest on demand.
  const message = trans.__(
    'No websockets come through, so nothing runs here. Add “%1” to “No proxy for” in the proxy' +
      ' settings, and reload.',
    entry
  );
  const more = trans.__(
    'Pages of Jupyter come through to this browser and websockets do not, so kernels, terminals and' +
      ' the state of tunnels will not work here. Mostly a proxy is in the way: add “%1” to “No proxy' +
      ' for” in the proxy settings of the browser, or of the system, and reload this page. If there' +
      ' is none, the web server in front of Jupyter does not hand on “Upgrade”.',
    entry
  );
  const ofApplications = trans.__(
    '“%1” is for the names of applications: some settings want it as “*%1”, and “;” for the comma.',
    suffix
  );
  const staying = (label: string, act: () => void) => ({
    label,
    callback: (event: MouseEvent) => {
      event.preventDefault(); // the notice stays to be read
      act();
    }
  });
  Notification.warning(message, {
    autoClose: false,
    actions: [
      staying(trans.__('Copy “%1”', entry), () => {
        void navigator.clipboard.writeText(entry);
      }),
      staying(trans.__('More…'), () => {
        void showDialog({
          title: trans.__('Websockets do not come through'),
          body: suffix === '' ? more : `${more} ${ofApplications}`,
          buttons: [Dialog.okButton({ label: trans.__('Close') })]
        });
      })
    ]
  });
}

/** Whether a websocket opens, to where JupyterLab itself hears news. */
function opens(
  { WebSocket, wsUrl }: ServerConnection.ISettings,
  patience: number
): Promise<boolean> {
  const socket = new WebSocket(URLExt.join(wsUrl, 'api/events/subscribe'));
  return new Promise<boolean>(resolve => {
    const timer = window.setTimeout(() => end(false), patience);
    const end = (opened: boolean): void => {
      window.clearTimeout(timer);
      socket.onopen = socket.onerror = null;
      socket.close();
      resolve(opened);
    };
    socket.onopen = () => end(true);
    socket.onerror = () => end(false);
  });
}

/** Whether Jupyter answers requests of the other kind. */
async function answers(settings: ServerConnection.ISettings): Promise<boolean> {
  try {
    const url = URLExt.join(settings.baseUrl, 'api/status');
    return (await ServerConnection.makeRequest(url, {}, settings)).ok;
  } catch {
    return false;
  }
}
