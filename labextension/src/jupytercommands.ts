/**
 * The commands that open a Jupyter server of a host, start one where none runs, or end one, and the
 * one that sets the password of those there. No token comes here.
 */

import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  LabIcon,
  linkIcon,
  lockIcon,
  stopIcon
} from '@jupyterlab/ui-components';

import { JupyterServer, JupyterStart, OpenedJupyter } from './api';
import { CommandIDs, CommandOptions, shown, text } from './commands';
import { choose } from './dialogs';
import { askForHost } from './hostdialog';
import { jupyterIcon } from './icons';
import {
  Asked,
  askToStart,
  askWhich,
  confirmStop,
  showAddress
} from './jupyterdialogs';
import { askForPassword } from './jupyterpassword';
import { TunnelError } from './restapi';

export function addJupyterCommands(options: CommandOptions): void {
  const { trans } = options;
  const { commands } = options.app;

  add(options, CommandIDs.openJupyter, {
    label: trans.__('Open or Start a Jupyter of an SSH Host…'),
    labelThere: trans.__('Open or Start a Jupyter There…'),
    icon: jupyterIcon,
    run: host =>
      opened(options, { host, atPort: false }, ({ id, name }) => {
        const command = options.hasTabs
          ? CommandIDs.openInTab
          : CommandIDs.openInBrowser;
        return commands.execute(command, { app: id, name });
      })
  });
  add(options, CommandIDs.openJupyterAtPort, {
    label: trans.__('Open a Jupyter of an SSH Host at a Port…'),
    labelThere: trans.__('Open a Jupyter There at a Port…'),
    icon: linkIcon,
    run: host =>
      opened(options, { host, atPort: true }, async found => {
        if (found.address !== null) {
          await showAddress(found, host, trans);
        }
        options.show();
      })
  });
  add(options, CommandIDs.setJupyterPassword, {
    label: trans.__('Set the Password of the Jupyters of an SSH Host…'),
    labelThere: trans.__('Set the Password of the Jupyters There…'),
    icon: lockIcon,
    run: host => setPassword(options, host)
  });
  add(options, CommandIDs.stopJupyter, {
    label: trans.__('End a Jupyter of an SSH Host…'),
    labelThere: trans.__('End a Jupyter There…'),
    icon: stopIcon,
    run: host => {
      const failed = trans.__('No Jupyter of %1 was ended', host);
      return shown(options, failed, () => stop(options, host));
    }
  });
}

/** Add a command about one host: that of its arguments, in the menu of a host, or which is asked. */
function add(
  options: CommandOptions,
  id: string,
  command: {
    label: string;
    /** In the menu of a host. */
    labelThere: string;
    icon: LabIcon;
    run: (host: string) => Promise<void>;
  }
): void {
  const { icon, label, labelThere, run } = command;
  options.app.commands.addCommand(id, {
    label: args => ('host' in args ? labelThere : label),
    icon,
    execute: async args => {
      void options.hosts.refresh();
      const host = text(args, 'host') ?? (await whichHost(options));
      if (host) {
        await run(host);
      }
    }
  });
}

/** Open one and go on with it, if a person chose one. */
function opened(
  options: CommandOptions,
  asked: Asked,
  goOn: (found: OpenedJupyter) => Promise<void>
): Promise<void> {
  const failed = options.trans.__(
    'No Jupyter of %1 could be opened',
    asked.host
  );
  return shown(options, failed, async () => {
    const found = await openOrStart(options, asked);
    if (found) {
      await goOn(found);
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

/** What came of it; null if a person chose none, and to start none. */
async function openOrStart(
  options: CommandOptions,
  asked: Asked
): Promise<OpenedJupyter | null> {
  const { api, trans } = options;
  const { atPort, host } = asked;
  return watched(options, async () => {
    const { jupyters, problems } = await api.jupyters({ host });
    if (jupyters.length === 0 && problems.length === 0) {
      return untilDone(asked, async asked => {
        const wanted = await askToStart(asked, trans);
        asked.before = { ...wanted, port: wanted?.local_port ?? 0 };
        return wanted && start(options, wanted);
      });
    }
    // Of files that tell nothing the server says what they are.
    if (jupyters.length === 0 || (jupyters.length === 1 && !atPort)) {
      const destination = jupyters[0]?.destination;
      return api.openJupyter({ host, ...(destination && { destination }) });
    }
    return untilDone(asked, async asked => {
      const choice = await askWhich(jupyters, asked, trans);
      if (choice === 'password') {
        await setPassword(options, host);
        return null;
      }
      const { port, server } = (asked.before = choice ?? {});
      return server
        ? api.openJupyter({
            host,
            destination: server.destination,
            ...(port !== undefined && { local_port: port })
          })
        : null;
    });
  });
}

/**
 * Ask until what is answered can be done: what was typed stays, and can be corrected.
 *
 * @param action - notes in `before` what is answered.
 */
async function untilDone<T>(
  asked: Asked,
  action: (asked: Asked) => Promise<T>
): Promise<T> {
  for (;;) {
    try {
      return await action(asked);
    } catch (error) {
      // Who gave up when the host asked something wants no more of it.
      if (!(error instanceof TunnelError) || error.code === 'needs_user') {
        throw error;
      }
      asked.wrong = error;
    }
  }
}

/** Start one, which takes seconds to minutes. */
function start(
  { api, trans }: CommandOptions,
  wanted: JupyterStart
): Promise<OpenedJupyter> {
  return saying(trans.__('Starting a Jupyter on %1…', wanted.host), () =>
    api.startJupyter(wanted)
  );
}

/** Have a person set the password of those that are started on a host from then on. */
async function setPassword(
  options: CommandOptions,
  host: string,
  wrong: TunnelError | null = null
): Promise<void> {
  const { api, trans } = options;
  const password = await askForPassword(host, wrong, trans);
  if (password === null) {
    return;
  }
  const failed = trans.__('The password on %1 was not set', host);
  await shown(options, failed, async () => {
    try {
      const { others, tools } = await watched(options, () =>
        saying(trans.__('Setting the password on %1…', host), () =>
          api.setJupyterPassword({ host, password })
        )
      );
      const by = tools.join(', ');
      const done = trans.__(
        'The password is set on %1, by %2 there.',
        host,
        by
      );
      if (others.length > 0) {
        const but = trans.__(
          'But %1 there sets another one, which may count in its place. Take that out there.',
          others.join(', ')
        );
        Notification.warning(`${done} ${but}`, { autoClose: false });
      } else {
        const from = trans.__(
          'It counts for the Jupyter servers that are started from now on.'
        );
        Notification.success(`${done} ${from}`, { autoClose: 10_000 });
      }
    } catch (error) {
      if ((error as TunnelError).code !== 'bad_input') {
        throw error;
      }
      await setPassword(options, host, error as TunnelError);
    }
  });
}

/** Do what takes its time, and say so meanwhile. */
async function saying<T>(what: string, action: () => Promise<T>): Promise<T> {
  const shown = Notification.emit(what, 'in-progress', { autoClose: false });
  try {
    return await action();
  } finally {
    Notification.dismiss(shown);
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
