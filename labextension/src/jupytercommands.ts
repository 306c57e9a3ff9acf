/**
 * The commands that open a Jupyter server of a host, start one where none runs, or end one. Its
 * token never comes here.
 */

import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { stopIcon } from '@jupyterlab/ui-components';

import { Application, JupyterServer, JupyterStart } from './api';
import { CommandIDs, CommandOptions, shown, text } from './commands';
import { choose } from './dialogs';
import { askForHost } from './hostdialog';
import { jupyterIcon } from './icons';
import { askToStart, confirmStop } from './jupyterdialogs';

export function addJupyterCommands(options: CommandOptions): void {
  const { app, hosts, trans } = options;
  const { commands } = app;

  commands.addCommand(CommandIDs.openJupyter, {
    label: trans.__('Open or Start a Jupyter of an SSH Host…'),
    icon: jupyterIcon,
    execute: async args => {
      void hosts.refresh();
      const host = text(args, 'host') ?? (await whichHost(options));
      if (!host) {
        return;
      }
      const failed = trans.__('No Jupyter of %1 could be opened', host);
      await shown(options, failed, async () => {
        const found = await openOrStart(options, host);
        if (found) {
          const { id, name } = found;
          const command = options.hasTabs
            ? CommandIDs.openInTab
            : CommandIDs.openInBrowser;
          await commands.execute(command, { app: id, name });
        }
      });
    }
  });
  commands.addCommand(CommandIDs.stopJupyter, {
    label: trans.__('End a Jupyter of an SSH Host…'),
    icon: stopIcon,
    execute: async args => {
      void hosts.refresh();
      const host = text(args, 'host') ?? (await whichHost(options));
      if (host) {
        const failed = trans.__('No Jupyter of %1 was ended', host);
        await shown(options, failed, () => stop(options, host));
      }
    }
  });
}

function whichHost({ hosts, trans }: CommandOptions): Promise<string | null> {
  return askForHost(
    hosts,
    trans.__('A Jupyter of an SSH Host'),
    trans.__('Look'),
    trans
  );
}

/** The application that came of it; null if a person chose none, and to start none. */
async function openOrStart(
  options: CommandOptions,
  host: string
): Promise<Application | null> {
  const { api, trans } = options;
  return watched(options, async () => {
    const { jupyters, problems } = await api.jupyters({ host });
    if (jupyters.length === 0 && problems.length === 0) {
      const wanted = await askToStart(host, trans);
      return wanted && start(options, wanted);
    }
    const server = await which(jupyters, host, trans);
    if (jupyters.length > 0 && !server) {
      return null;
    }
    // Of files that tell nothing the server says what they are.
    const destination = server?.destination;
    return api.openJupyter({ host, ...(destination && { destination }) });
  });
}

/** Start one, which takes seconds to minutes: meanwhile that is said. */
async function start(
  { api, trans }: CommandOptions,
  wanted: JupyterStart
): Promise<Application> {
  const saying = Notification.emit(
    trans.__('Starting a Jupyter on %1…', wanted.host),
    'in-progress',
    { autoClose: false }
  );
  try {
    return await api.startJupyter(wanted);
  } finally {
    Notification.dismiss(saying);
  }
}

async function stop(options: CommandOptions, host: string): Promise<void> {
  const { api, trans } = options;
  await watched(options, async () => {
    const { jupyters } = await api.jupyters({ host });
    const server = await which(jupyters, host, trans);
    if (server && (await confirmStop(host, server, trans))) {
      await api.stopJupyter({ host, destination: server.destination });
      Notification.success(trans.__('The Jupyter on %1 has ended', host), {
        autoClose: 5000
      });
    } else if (!server && jupyters.length === 0) {
      Notification.info(trans.__('No Jupyter of yours runs on %1', host), {
        autoClose: 5000
      });
    }
  });
}

/** Do what asks a host, which may ask something in turn, of which no event may tell. */
async function watched<T>(
  { manager }: CommandOptions,
  action: () => Promise<T>
): Promise<T> {
  const watch = manager.watch();
  try {
    return await action();
  } finally {
    watch.dispose();
    await manager.refresh();
  }
}

function which(
  jupyters: readonly JupyterServer[],
  host: string,
  trans: TranslationBundle
): Promise<JupyterServer | null> {
  return choose(
    jupyters,
    ({ destination, root_dir }) => trans.__('%1 at %2', root_dir, destination),
    trans.__('Which Jupyter of %1?', host),
    trans
  );
}
