/** The commands about hosts: to find out why one is not reached, and to open what it offers. */

import { TranslationBundle } from '@jupyterlab/translation';

import { TunnelStatus } from './api';
import { CommandIDs, CommandOptions, text } from './commands';
import { DiagnosisTab } from './diagnosis';
import { nextTask, showError } from './dialogs';
import { askForHost } from './hostdialog';
import { diagnoseIcon } from './icons';
import { Opening } from './opening';
import { TunnelError } from './restapi';
import { Walk } from './walk';

export function addHostCommands(options: CommandOptions): void {
  const { app, hosts, manager, trans } = options;
  const { commands } = app;
  const tabs = new Map<string, DiagnosisTab>();

  commands.addCommand(CommandIDs.diagnose, {
    label: args =>
      'host' in args
        ? trans.__('Diagnose the Way There…')
        : trans.__('Diagnose an SSH Host…'),
    icon: diagnoseIcon,
    execute: async args => {
      const id = text(args, 'tunnel');
      const tunnel = manager.tunnels.find(tunnel => tunnel.id === id);
      if (tunnel) {
        await diagnose(options, tabs, tunnel.host, tunnel);
        return;
      }
      void hosts.refresh();
      const host = text(args, 'host') ?? (await whichHost(options, trans));
      if (host) {
        await diagnose(options, tabs, host);
      }
    }
  });
  commands.addCommand(CommandIDs.openOffer, {
    label: trans.__('Open What an SSH Host Offers'),
    execute: args => {
      const [host, forward] = [text(args, 'host'), text(args, 'forward')];
      return host && forward ? openOffer(options, host, forward) : null;
    }
  });
}

function whichHost(
  { hosts }: CommandOptions,
  trans: TranslationBundle
): Promise<string | null> {
  return askForHost(
    hosts,
    trans.__('Diagnose an SSH Host'),
    trans.__('Diagnose'),
    trans
  );
}

/** Show the walk in a tab of its own, or in that of the last one to there, and begin. */
async function diagnose(
  options: CommandOptions,
  tabs: Map<string, DiagnosisTab>,
  host: string,
  tunnel: TunnelStatus | null = null
): Promise<void> {
  const { api, app, hasTabs, manager, trans } = options;
  const key = JSON.stringify([host, tunnel?.id]);
  let tab = tabs.get(key);
  if (!tab) {
    tab = new DiagnosisTab(new Walk(api, manager, host, tunnel), trans);
    tab.disposed.connect(() => tabs.delete(key));
    tabs.set(key, tab);
    // The main area of Notebook 7 holds one thing.
    app.shell.add(tab, hasTabs ? 'main' : 'right');
  }
  void tab.walk.start();
  // The palette and a dialog give the focus back to what had it; this comes after that.
  await nextTask();
  app.shell.activateById(tab.id);
}

/** Open a forward that the configuration of a host names; the id of its tunnel, if there is one. */
async function openOffer(
  { manager, trans }: CommandOptions,
  host: string,
  forward: string
): Promise<string | null> {
  const opening = new Opening(manager, { host, forwards: [forward] });
  try {
    return (await opening.result).tunnel.id;
  } catch (error) {
    // A row tells what went wrong; there is none for what was refused at once.
    if (!opening.row) {
      const title = trans.__('%1 could not be opened', forward);
      await showError(title, error as TunnelError, trans);
    }
    return opening.row?.id ?? null;
  }
}
