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

import { TunnelStatus } from './api';
import {
  addCommands,
  CommandIDs,
  CommandOptions,
  ConfirmClose
} from './commands';
import { nextTask } from './dialogs';
import { addHostCommands } from './hostcommands';
import { addJupyterCommands } from './jupytercommands';
import { HostBook } from './hosts';
import { TunnelManager } from './manager';
import { Notices } from './notices';
import { PublicationManager } from './publications';
import { addPublishCommands } from './publishcommands';
import { PublishedStatusItem } from './publishedbadge';
import { Questions } from './questions';
import { TunnelAPI } from './restapi';
import { runningTunnels } from './running';
import { TunnelSidebar } from './sidebar';
import { TunnelStatusItem } from './statusbar';
import { IPublicationManager, ITunnelManager } from './tokens';
import { ApplicationTab, ViewChooser } from './view';
import { checkWebsockets } from './websockets';
// With the code, as a file of its own would be fetched after it.
import '../style/base.css';

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
    const manager = new TunnelManager(api, events.stream, isThere(app));
    void follow<number>(settingRegistry, 'pollInterval', seconds =>
      manager.setInterval(seconds)
    );
    return manager;
  }
};

const publicationsPlugin: JupyterFrontEndPlugin<IPublicationManager> = {
  id: 'jupyter-remote-tunnel:publications',
  description:
    'Keeps what is published of this Jupyter like the server’s list.',
  autoStart: true,
  provides: IPublicationManager,
  optional: [ITranslator, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    settingRegistry: ISettingRegistry | null
  ): IPublicationManager => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const { events, serverSettings } = app.serviceManager;
    const api = new TunnelAPI(serverSettings, trans);
    const publications = new PublicationManager(
      api,
      events.stream,
      isThere(app)
    );
    void follow<number>(settingRegistry, 'pollInterval', seconds =>
      publications.setInterval(seconds)
    );
    return publications;
  }
};

const plugin: JupyterFrontEndPlugin<void> = {
  id: SETTINGS,
  description: 'The sidebar, the commands and the tabs of applications.',
  autoStart: true,
  requires: [ITunnelManager, IPublicationManager],
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
    publications: IPublicationManager,
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
    manager.changed.connect(() => void views.choose(manager.originNames));
    const sidebarId = 'jp-remote-tunnel-sidebar';
    const api = new TunnelAPI(app.serviceManager.serverSettings, trans);
    const hosts = new HostBook(api);
    const options: CommandOptions = {
      app,
      api,
      manager,
      hosts,
      views,
      tracker,
      hasTabs: labShell !== null,
      confirmClose: () => confirmClose,
      // The palette and a dialog give the focus back to what had it; this comes after that.
      show: () => void nextTask().then(() => app.shell.activateById(sidebarId)),
      trans
    };
    addCommands(options);
    addHostCommands(options);
    addJupyterCommands(options);
    addPublishCommands({ ...options, publications });

    const { commands } = app;
    const sidebar = new TunnelSidebar({
      manager,
      publications,
      hosts,
      commands,
      trans
    });
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
        CommandIDs.openJupyter,
        CommandIDs.openJupyterAtPort,
        CommandIDs.setJupyterPassword,
        CommandIDs.stopJupyter,
        CommandIDs.openInTab,
        CommandIDs.openInBrowser,
        CommandIDs.copyLink,
        CommandIDs.copyConnectionFile,
        CommandIDs.restart,
        CommandIDs.close,
        CommandIDs.closeAll,
        CommandIDs.diagnose,
        CommandIDs.publish,
        CommandIDs.showPublished,
        CommandIDs.extendPublishing,
        CommandIDs.stopPublishing,
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

const questionsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-remote-tunnel:questions',
  description: 'Dialogs for what the hosts ask.',
  autoStart: true,
  requires: [ITunnelManager],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    manager: ITunnelManager,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    // What comes up before would take the focus from a dialog.
    void isThere(app).then(() => new Questions(manager, trans));
  }
};

const noticesPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-remote-tunnel:notices',
  description:
    'Signs for people who look elsewhere while a tunnel waits for them.',
  autoStart: true,
  requires: [ITunnelManager],
  optional: [ITranslator],
  activate: (
    { commands }: JupyterFrontEnd,
    manager: ITunnelManager,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const logIn = ({ id }: TunnelStatus): void =>
      void commands.execute(CommandIDs.restart, { tunnel: id });
    new Notices(manager, logIn, trans);
  }
};

const websocketsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-remote-tunnel:websockets',
  description: 'Tells where websockets do not come through to Jupyter.',
  autoStart: true,
  requires: [ITunnelManager],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    manager: ITunnelManager,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const { serverSettings } = app.serviceManager;
    // With a token in each URL it would take one, too; that is for pages of another origin.
    if (!serverSettings.appendToken) {
      void isThere(app).then(() =>
        checkWebsockets(serverSettings, manager, trans)
      );
    }
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

const publishedPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-remote-tunnel:published',
  description: 'A red sign in the status bar while this Jupyter is published.',
  autoStart: true,
  requires: [IPublicationManager, IStatusBar],
  optional: [ITranslator],
  activate: (
    { commands }: JupyterFrontEnd,
    publications: IPublicationManager,
    statusBar: IStatusBar,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    statusBar.registerStatusItem(publishedPlugin.id, {
      item: new PublishedStatusItem({ publications, commands, trans }),
      align: 'left',
      rank: 4,
      isActive: () => publications.publications.length > 0,
      activeStateChanged: publications.changed
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

/** Fulfilled when the page can be used: what is done then costs its start nothing. */
function isThere({ restored }: JupyterFrontEnd): Promise<void> {
  return restored.then(nextTask);
}

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
  publicationsPlugin,
  plugin,
  questionsPlugin,
  noticesPlugin,
  websocketsPlugin,
  statusPlugin,
  publishedPlugin,
  runningPlugin
];

export default plugins;
