/**
 * The commands. Without arguments, as in the palette, they ask which tunnel or application is meant;
 * what goes wrong is shown, never thrown.
 */

import { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Notification, WidgetTracker } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  addIcon,
  copyIcon,
  refreshIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { askForTunnel } from './adddialog';
import { TunnelStatus } from './api';
import { choose, confirmClose, showError } from './dialogs';
import { EMPTY, Fields } from './form';
import { HostBook } from './hosts';
import { browserIcon, tabIcon, tunnelIcon } from './icons';
import { TunnelAPI, TunnelError } from './restapi';
import { ITunnelManager } from './tokens';
import { ApplicationKey, ApplicationTab, ViewChooser } from './view';

export namespace CommandIDs {
  export const show = 'remote-tunnel:show';
  /** args: host? (fills in the dialog) */
  export const add = 'remote-tunnel:add';
  /** args: host, forward (as "-L 5006:localhost:5006") */
  export const openOffer = 'remote-tunnel:open-offer';
  /** args: host? */
  export const openJupyter = 'remote-tunnel:open-jupyter';
  /** args: host? */
  export const openJupyterAtPort = 'remote-tunnel:open-jupyter-at-port';
  /** args: host? */
  export const setJupyterPassword = 'remote-tunnel:set-jupyter-password';
  /** args: host? */
  export const stopJupyter = 'remote-tunnel:stop-jupyter';
  /** args: tunnel? (an id), host? */
  export const diagnose = 'remote-tunnel:diagnose';
  export const publish = 'remote-tunnel:publish';
  /** args: publication? (an id) */
  export const showPublished = 'remote-tunnel:show-published';
  /** args: publication? (an id) */
  export const stopPublishing = 'remote-tunnel:stop-publishing';
  /** args: publication? (an id) */
  export const extendPublishing = 'remote-tunnel:extend-publishing';
  export const refresh = 'remote-tunnel:refresh';
  /** args: tunnel? (an id) */
  export const restart = 'remote-tunnel:restart';
  /** args: tunnel? (an id) */
  export const close = 'remote-tunnel:close';
  export const closeAll = 'remote-tunnel:close-all';
  /** args: tunnel, forward (its index) */
  export const copyAddress = 'remote-tunnel:copy-address';
  /** args: tunnel? (the id of one to a kernel) */
  export const copyConnectionFile = 'remote-tunnel:copy-connection-file';
  /** args: app? (an id) */
  export const copyLink = 'remote-tunnel:copy-link';
  /** args: app? (an id), name? (its label before the server was asked) */
  export const openInTab = 'remote-tunnel:open-in-tab';
  /** args: app? (an id) */
  export const openInBrowser = 'remote-tunnel:open-in-browser';
}

/** When to ask before a tunnel is closed. */
export type ConfirmClose = 'always' | 'in-use' | 'never';

export interface CommandOptions {
  app: Pick<JupyterFrontEnd, 'commands' | 'shell'>;
  api: TunnelAPI;
  manager: ITunnelManager;
  hosts: HostBook;
  views: ViewChooser;
  tracker: WidgetTracker<ApplicationTab>;
  /** Whether the shell has tabs (JupyterLab); otherwise the browser has. */
  hasTabs: boolean;
  confirmClose: () => ConfirmClose;
  /** Brings the sidebar to the front. */
  show: () => void;
  trans: TranslationBundle;
}

export function addCommands(options: CommandOptions): void {
  const { app, hosts, manager, trans } = options;
  const { commands } = app;

  commands.addCommand(CommandIDs.show, {
    label: trans.__('Show SSH Tunnels'),
    icon: tunnelIcon,
    execute: options.show
  });
  commands.addCommand(CommandIDs.add, {
    label: args =>
      args.isLauncher ? trans.__('SSH Tunnel') : trans.__('Add SSH Tunnel…'),
    caption: args =>
      args.isLauncher
        ? trans.__(
            'Reach a port, an application or a network through an SSH host'
          )
        : '',
    icon: args => (args.isLauncher ? tunnelIcon : addIcon),
    execute: async args => {
      const host = text(args, 'host');
      await addTunnel(options, host ? { mode: 'fields', host } : {});
    }
  });
  commands.addCommand(CommandIDs.refresh, {
    label: trans.__('Refresh SSH Tunnels'),
    icon: refreshIcon,
    execute: () => Promise.all([manager.refresh(), hosts.refresh()])
  });
  addTunnelCommands(options);
  addApplicationCommands(options);
}

function addTunnelCommands(options: CommandOptions): void {
  const { app, manager, trans } = options;
  const { commands } = app;
  const hasTunnels = (): boolean => manager.tunnels.length > 0;

  commands.addCommand(CommandIDs.restart, {
    label: trans.__('Restart SSH Tunnel…'),
    icon: refreshIcon,
    isEnabled: hasTunnels,
    execute: async args => {
      const tunnel = await pickTunnel(options, text(args, 'tunnel'));
      if (tunnel) {
        await shown(
          options,
          trans.__('%1 could not be restarted', tunnel.name),
          () => manager.restart(tunnel.id)
        );
      }
    }
  });
  commands.addCommand(CommandIDs.close, {
    label: trans.__('Close SSH Tunnel…'),
    icon: stopIcon,
    isEnabled: hasTunnels,
    execute: async args => {
      const tunnel = await pickTunnel(options, text(args, 'tunnel'));
      if (tunnel) {
        await closeTunnels(options, [tunnel]);
      }
    }
  });
  commands.addCommand(CommandIDs.closeAll, {
    label: trans.__('Close All SSH Tunnels…'),
    icon: stopIcon,
    isEnabled: hasTunnels,
    execute: () => closeTunnels(options, manager.tunnels)
  });
  commands.addCommand(CommandIDs.copyAddress, {
    label: trans.__('Copy the Local Address'),
    icon: copyIcon,
    execute: args => {
      const tunnel = manager.tunnels.find(({ id }) => id === args.tunnel);
      const bound = tunnel?.forwards[Number(args.forward)]?.bound;
      if (bound) {
        copy(bound, trans);
      }
    }
  });
  const kernels = (): TunnelStatus[] =>
    manager.tunnels.filter(tunnel => tunnel.connection_file !== null);
  commands.addCommand(CommandIDs.copyConnectionFile, {
    label: trans.__('Copy the Connection File of a Remote Kernel…'),
    icon: copyIcon,
    isEnabled: () => kernels().length > 0,
    execute: async args => {
      const kernel = await pickTunnel(options, text(args, 'tunnel'), kernels());
      if (kernel?.connection_file) {
        copy(kernel.connection_file, trans);
      }
    }
  });
}

function addApplicationCommands(options: CommandOptions): void {
  const { api, app, manager, trans, views } = options;
  const { commands } = app;
  const hasApplications = (): boolean => manager.applications.length > 0;

  commands.addCommand(CommandIDs.openInTab, {
    label: trans.__('Open Remote Application…'),
    icon: tabIcon,
    isVisible: () => options.hasTabs,
    isEnabled: args => options.hasTabs && ('app' in args || hasApplications()),
    execute: async args => {
      const application = await pickApplication(options, args);
      if (application) {
        await openTab(options, application);
      }
    }
  });
  commands.addCommand(CommandIDs.openInBrowser, {
    label: trans.__('Open Remote Application in the Browser…'),
    icon: browserIcon,
    isEnabled: args => 'app' in args || hasApplications(),
    execute: async args => {
      const id =
        text(args, 'app') ?? (await pickApplication(options, args))?.id;
      if (id) {
        const view = views.best(manager.originNames);
        window.open(api.viewUrl(id, view), '_blank', 'noopener');
      }
    }
  });
  commands.addCommand(CommandIDs.copyLink, {
    label: trans.__('Copy the Link of a Remote Application…'),
    icon: copyIcon,
    isEnabled: args => 'app' in args || hasApplications(),
    execute: async args => {
      const application = await pickApplication(options, args);
      if (application) {
        copy(api.viewUrl(application.id), trans);
      }
    }
  });
}

/** @param known - what need not be typed. */
async function addTunnel(
  { app, hosts, manager, show, trans }: CommandOptions,
  known: Partial<Fields>
): Promise<TunnelStatus | null> {
  const fields = { ...EMPTY, ...known };
  const diagnose = ({ id }: TunnelStatus): void =>
    void app.commands.execute(CommandIDs.diagnose, { tunnel: id });
  const opened = await askForTunnel(manager, hosts, fields, diagnose, trans);
  if (!opened) {
    return null;
  }
  show();
  if (!opened.created) {
    const { name } = opened.tunnel;
    Notification.info(trans.__('%1 was there already', name), {
      autoClose: 5000
    });
  }
  return opened.tunnel;
}

/** How many servers end with these of all tunnels: the last one that leads to a server counts. */
function endedServers(
  closed: readonly TunnelStatus[],
  all: readonly TunnelStatus[]
): number {
  const led = (tunnels: readonly TunnelStatus[]): string[] =>
    tunnels
      .filter(({ ends_server }) => ends_server)
      .map(({ host, forwards }) =>
        JSON.stringify([host, forwards.map(({ destination }) => destination)])
      );
  const stay = new Set(led(all.filter(one => !closed.includes(one))));
  return new Set(led(closed).filter(server => !stay.has(server))).size;
}

async function closeTunnels(
  options: CommandOptions,
  chosen: readonly TunnelStatus[]
): Promise<void> {
  const { manager, trans } = options;
  const policy = options.confirmClose();
  // Nothing tells of streams that come and go.
  await manager.refresh();
  const ids = new Set(chosen.map(({ id }) => id));
  const tunnels = manager.tunnels.filter(({ id }) => ids.has(id));
  const servers = endedServers(tunnels, manager.tunnels);
  const inUse =
    servers > 0 ||
    tunnels.some(({ forwards }) =>
      forwards.some(forward => forward.streams.open > 0)
    );
  // One slip of the pointer in the palette must not end all work, idle as it may be.
  const ask =
    tunnels.length > 1 || policy === 'always' || (policy === 'in-use' && inUse);
  if (ask && !(await confirmClose(tunnels, servers, trans))) {
    return;
  }
  await Promise.all(
    tunnels.map(tunnel =>
      shown(options, trans.__('%1 could not be closed', tunnel.name), () =>
        manager.close(tunnel.id)
      )
    )
  );
}

async function openTab(
  options: CommandOptions,
  application: ApplicationKey
): Promise<void> {
  const { api, app, manager, tracker, trans, views } = options;
  const existing = tracker.find(tab => tab.app.id === application.id);
  if (existing) {
    app.shell.activateById(existing.id);
    return;
  }
  await manager.ready;
  const view = await views.choose(manager.originNames);
  const tab = new ApplicationTab({
    app: application,
    view,
    url: api.viewUrl(application.id, view),
    manager,
    trans,
    openInBrowser: () =>
      void app.commands.execute(CommandIDs.openInBrowser, {
        app: application.id
      }),
    openAgain: closed => void openAgain(options, closed)
  });
  app.shell.add(tab, 'main');
  await tracker.add(tab);
}

/** Ask for a tunnel to where `tab` led, and show that in its place. */
async function openAgain(
  options: CommandOptions,
  tab: ApplicationTab
): Promise<void> {
  const { destination, host, name } = tab.app;
  // Not all that was typed for the tunnel is known: a person looks at it.
  const known: Partial<Fields> = host
    ? { mode: 'fields', host, destination, name }
    : { name };
  const opened = await addTunnel(options, known);
  const application = options.manager.applications.find(
    ({ tunnel }) => tunnel === opened?.id
  );
  if (application) {
    await openTab(options, application);
    tab.dispose();
  }
}

/** The tunnel of that id, or the one that a person chooses. */
async function pickTunnel(
  { manager, trans }: CommandOptions,
  id: string | undefined,
  tunnels = manager.tunnels
): Promise<TunnelStatus | null> {
  if (id !== undefined) {
    return tunnels.find(tunnel => tunnel.id === id) ?? null;
  }
  return choose(
    tunnels,
    tunnel => tunnel.name,
    trans.__('Which tunnel?'),
    trans
  );
}

/** The application of that id, or the one that a person chooses. */
async function pickApplication(
  { manager, trans }: CommandOptions,
  args: ReadonlyPartialJSONObject
): Promise<ApplicationKey | null> {
  const id = text(args, 'app');
  if (id !== undefined) {
    const known = manager.applications.find(
      application => application.id === id
    );
    // A tab that comes back after a reload is there before the list is.
    return known ?? { id, name: text(args, 'name') ?? id };
  }
  return choose(
    manager.applications,
    application => `${application.name} → ${application.destination}`,
    trans.__('Which application?'),
    trans
  );
}

/** Run `action` and show a person why it failed. */
export async function shown(
  { trans }: Pick<CommandOptions, 'trans'>,
  title: string,
  action: () => Promise<void>
): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (error === undefined) {
      return; // its dialog was disposed of
    }
    const { code, message } = error as TunnelError;
    if (code === 'needs_user') {
      // They have just cancelled or not answered, and the row says so too.
      Notification.info(`${title}: ${message}`, { autoClose: 5000 });
    } else {
      await showError(title, error as TunnelError, trans);
    }
  }
}

function copy(value: string, trans: TranslationBundle): void {
  Clipboard.copyToSystem(value);
  Notification.success(trans.__('Copied: %1', value), { autoClose: 3000 });
}

/** A part of a command's arguments, if it is a text. */
export function text(
  args: ReadonlyPartialJSONObject,
  key: string
): string | undefined {
  const value = args[key];
  return typeof value === 'string' ? value : undefined;
}
