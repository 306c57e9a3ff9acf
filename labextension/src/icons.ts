/** Our own icons: the tunnel, a tunnel's states, and where an application opens. */

import { LabIcon } from '@jupyterlab/ui-components';

import browserSvg from '../style/icons/browser.svg';
import closedSvg from '../style/icons/closed.svg';
import connectingSvg from '../style/icons/connecting.svg';
import failedSvg from '../style/icons/failed.svg';
import openSvg from '../style/icons/open.svg';
import reconnectingSvg from '../style/icons/reconnecting.svg';
import tabSvg from '../style/icons/tab.svg';
import tunnelSvg from '../style/icons/tunnel.svg';
import waitingSvg from '../style/icons/waiting.svg';
import { State } from './api';

function icon(name: string, svgstr: string): LabIcon {
  return new LabIcon({ name: `jupyter-remote-tunnel:${name}`, svgstr });
}

export const tunnelIcon = icon('tunnel', tunnelSvg);
export const tabIcon = icon('tab', tabSvg);
export const browserIcon = icon('browser', browserSvg);

export const connectingIcon = icon('connecting', connectingSvg);
const closedIcon = icon('closed', closedSvg);

const stateIcons: Record<State, LabIcon> = {
  closed: closedIcon,
  connecting: connectingIcon,
  waiting_for_user: icon('waiting', waitingSvg),
  open: icon('open', openSvg),
  reconnecting: icon('reconnecting', reconnectingSvg),
  closing: connectingIcon,
  failed: icon('failed', failedSvg)
};

/** The icon of a state; a newer server may name one that is unknown here. */
export function stateIcon(state: string): LabIcon {
  return stateIcons[state as State] ?? closedIcon;
}
