/**
 * The plugins. The manager is one of its own, so that other extensions can use the tunnels; each
 * place where they are shown is another, so that it can be disabled.
 */

import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, WidgetTracker } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { addCommands, CommandIDs, ConfirmClose } from './commands';
import { nextTask } from './dialogs';
import { TunnelManager } from './manager';
import { TunnelAPI } from './restapi';
import { runningTunnels } from './running';
import { TunnelSidebar } from './sidebar';
import { TunnelStatusItem } from './statusbar';
import { ITunnelManager } from './tokens';
import { ApplicationTab, ViewChooser } from './view';

export * from './api';
export * from './tokens';

const DOMAIN = 'jupyter_remote_tunnel';
const SETTINGS = 'jupyter-remote-tunnel:plugin';

const managerPlugin: JupyterFrontEndPlugin<ITunnelManager> = {
  id: 'jupyter-remote-tunnel:manager',
  description: 'Keeps the list of SSH tunnels like the server’s.',
  autoStart: true,
  provides: ITunnelManager,
  optional: [ITranslator, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    settingRegistry: ISettingRegistry | null
  ): ITunnelManager => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const { events, serverSettings } = app.serviceManager;
    const api = new TunnelAPI(serverSettings, trans);
    const manager = new TunnelManager(api, events.stream);
    void follow<number>(settingRegistry, 'pollInterval', seconds =>
      manager.setInterval(seconds)
    );
    return manager;
  }
};

const plugin: JupyterFrontEndPlugin<void> = {
  id: SETTINGS,
  description: 'The sidebar, the commands and the tabs of applications.',
  autoStart: true,
  requires: [ITunnelManager],
  optional: [
    ITranslator,
    ISettingRegistry,
    ILabShell,
    ILayoutRestorer,
    ICommandPalette,
    ILauncher
  ],
  activate: (
    app: JupyterFrontEnd,
    manager: ITunnelManager,
    translator: ITranslator | null,
    settingRegistry: ISettingRegistry | null,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    let confirmClose: ConfirmClose = 'in-use';
    void follow<ConfirmClose>(settingRegistry, 'confirmClose', policy => {
      confirmClose = policy;
    });

    const tracker = new WidgetTracker<ApplicationTab>({
      namespace: 'jupyter-remote-tunnel'
    });
    const views = new ViewChooser();
    // Asked early, so that a click need not wait for it.
    manager.changed.connect(() => void views.choose(manager.offersOrigin));
    const sidebarId = 'jp-remote-tunnel-sidebar';
    addCommands({
      app,
      api: new TunnelAPI(app.serviceManager.serverSettings, trans),
      manager,
      views,
      tracker,
      hasTabs: labShell !== null,
      confirmClose: () => confirmClose,
      // The palette and a dialog give the focus back to what had it; this comes after that.
      show: () => void nextTask().then(() => app.shell.activateById(sidebarId)),
      trans
    });

    const { commands } = app;
    const sidebar = new TunnelSidebar({ manager, commands, trans });
    sidebar.id = sidebarId;
    app.shell.add(sidebar, 'left', { rank: 250, type: 'SSH Tunnels' });
    if (restorer) {
      restorer.add(sidebar, sidebarId);
      void restorer.restore(tracker, {
        command: CommandIDs.openInTab,
        args: ({ app: { id, name } }) => ({ app: id, name }),
        name: tab => tab.app.id
      });
    }
    if (palette) {
      const category = trans.__('SSH Tunnels');
      for (const command of [
        CommandIDs.add,
        CommandIDs.show,
        CommandIDs.openInTab,
        CommandIDs.openInBrowser,
        CommandIDs.copyLink,
        CommandIDs.copyConnectionFile,
        CommandIDs.restart,
        CommandIDs.close,
        CommandIDs.closeAll,
        CommandIDs.refresh
      ]) {
        palette.addItem({ command, category });
      }
    }
    launcher?.add({
      command: CommandIDs.add,
      category: trans.__('Other'),
      args: { isLauncher: true }
    });
    manager.changed.connect(() => commands.notifyCommandChanged());
  }
};

const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-remote-tunnel:status',
  description: 'The number of SSH tunnels in the status bar.',
  autoStart: true,
  requires: [ITunnelManager, IStatusBar],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    manager: ITunnelManager,
    statusBar: IStatusBar,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    statusBar.registerStatusItem(statusPlugin.id, {
      item: new TunnelStatusItem(
        manager,
        () => void app.commands.execute(CommandIDs.show),
        trans
      ),
      align: 'left',
      rank: 5,
      isActive: () => manager.tunnels.length > 0,
      activeStateChanged: manager.changed
    });
  }
};

const runningPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-remote-tunnel:running',
  description: 'The SSH tunnels among the running sessions.',
  autoStart: true,
  requires: [ITunnelManager, IRunningSessionManagers],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    manager: ITunnelManager,
    running: IRunningSessionManagers,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    running.add(runningTunnels(manager, app.commands, trans));
  }
};

/** Calls `apply` with a setting, now and after each change; without settings, never. */
async function follow<T>(
  registry: ISettingRegistry | null,
  key: string,
  apply: (value: T) => void
): Promise<void> {
  if (!registry) {
    return;
  }
  try {
    const settings = await registry.load(SETTINGS);
    const read = (): void => apply(settings.get(key).composite as T);
    settings.changed.connect(read);
    read();
  } catch (error) {
    console.warn(`The settings ${SETTINGS} could not be read.`, error);
  }
}

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  managerPlugin,
  plugin,
  statusPlugin,
  runningPlugin
];

export default plugins;
