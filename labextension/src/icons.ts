/** Our own icons: the tunnel, a tunnel's states, what came of a step, and where something opens. */

import { LabIcon } from '@jupyterlab/ui-components';

import browserSvg from '../style/icons/browser.svg';
import closedSvg from '../style/icons/closed.svg';
import connectingSvg from '../style/icons/connecting.svg';
import diagnoseSvg from '../style/icons/diagnose.svg';
import failedSvg from '../style/icons/failed.svg';
import noteSvg from '../style/icons/note.svg';
import notebookSvg from '../style/icons/notebook.svg';
import openSvg from '../style/icons/open.svg';
import reconnectingSvg from '../style/icons/reconnecting.svg';
import tabSvg from '../style/icons/tab.svg';
import tunnelSvg from '../style/icons/tunnel.svg';
import waitingSvg from '../style/icons/waiting.svg';
import warningSvg from '../style/icons/warning.svg';
import { State, Step } from './api';
import { LegState } from './format';

function icon(name: string, svgstr: string): LabIcon {
  return new LabIcon({ name: `jupyter-remote-tunnel:${name}`, svgstr });
}

export const tunnelIcon = icon('tunnel', tunnelSvg);
export const tabIcon = icon('tab', tabSvg);
export const browserIcon = icon('browser', browserSvg);

export const jupyterIcon = icon('jupyter', notebookSvg);

export const diagnoseIcon = icon('diagnose', diagnoseSvg);

export const connectingIcon = icon('connecting', connectingSvg);
const closedIcon = icon('closed', closedSvg);

const openIcon = icon('open', openSvg);
const failedIcon = icon('failed', failedSvg);
const noteIcon = icon('note', noteSvg);

const warningIcon = icon('warning', warningSvg);

const stateIcons: Record<State | LegState, LabIcon> = {
  closed: closedIcon,
  connecting: connectingIcon,
  waiting_for_user: icon('waiting', waitingSvg),
  open: openIcon,
  leg_down: warningIcon,
  no_application: warningIcon,
  reconnecting: icon('reconnecting', reconnectingSvg),
  closing: connectingIcon,
  failed: failedIcon
};

/** The icon of a state; a newer server may name one that is unknown here. */
export function stateIcon(state: string): LabIcon {
  return stateIcons[state as State | LegState] ?? closedIcon;
}

/** The icon of what came of a step. */
export function verdictIcon(verdict: Step['verdict']): LabIcon {
  const icons = { ok: openIcon, note: noteIcon, failed: failedIcon };
  return icons[verdict] ?? noteIcon;
}
