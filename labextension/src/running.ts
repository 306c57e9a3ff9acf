/** The tunnels among the running sessions, in JupyterLab's sidebar and Notebook's Running tab. */

import { IRunningSessions } from '@jupyterlab/running';
import { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';

import { CommandIDs } from './commands';
import { stateOf, wholeState } from './format';
import { stateIcon } from './icons';
import { ITunnelManager } from './tokens';

export function runningTunnels(
  manager: ITunnelManager,
  commands: CommandRegistry,
  trans: TranslationBundle
): IRunningSessions.IManager {
  return {
    name: trans.__('SSH tunnels'),
    running: () =>
      manager.tunnels.map(tunnel => ({
        icon: () => stateIcon(wholeState(tunnel)),
        label: () => tunnel.name,
        labelTitle: () => tunnel.route.join(' → '),
        detail: () => stateOf(tunnel, manager.others, trans),
        open: () => void commands.execute(CommandIDs.show),
        shutdown: () =>
          void commands.execute(CommandIDs.close, { tunnel: tunnel.id })
      })),
    // Running asks once for all of them itself.
    shutdownAll: () =>
      void Promise.allSettled(
        manager.tunnels.map(tunnel => manager.close(tunnel.id))
      ),
    refreshRunning: () => void manager.refresh(),
    runningChanged: manager.changed,
    shutdownLabel: trans.__('Close'),
    shutdownAllLabel: trans.__('Close All'),
    shutdownAllConfirmationText: trans.__('Close all SSH tunnels?'),
    shutdownItemIcon: closeIcon
  };
}
