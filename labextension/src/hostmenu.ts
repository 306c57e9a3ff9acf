/** The menu of a host in the sidebar: all that can be done with it. */

import { MenuSvg } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';

import { CommandIDs } from './commands';
import { nextTask } from './dialogs';

const GROUPS = [
  [CommandIDs.add, CommandIDs.diagnose],
  [
    CommandIDs.openJupyter,
    CommandIDs.openJupyterAtPort,
    CommandIDs.setJupyterPassword,
    CommandIDs.stopJupyter
  ]
];

/**
 * Show it.
 *
 * @param place - where, in the window.
 * @param opener - what has the focus again when it is closed.
 */
export function openHostMenu(
  commands: CommandRegistry,
  host: string,
  place: { x: number; y: number },
  opener: HTMLElement | null
): void {
  const menu = new MenuSvg({ commands });
  GROUPS.forEach((group, index) => {
    if (index > 0) {
      menu.addItem({ type: 'separator' });
    }
    group.forEach(command => menu.addItem({ command, args: { host } }));
  });
  menu.aboutToClose.connect(() => {
    // Before the command runs: its dialog gives the focus back to what has it then.
    opener?.focus();
    void nextTask().then(() => menu.dispose());
  });
  menu.open(place.x, place.y);
}
