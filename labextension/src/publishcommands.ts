/** The commands that publish this Jupyter, and that end or prolong that. */

import { Notification } from '@jupyterlab/apputils';
import { linkIcon, stopIcon } from '@jupyterlab/ui-components';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { Publication } from './api';
import { CommandIDs, CommandOptions, shown, text } from './commands';
import { choose } from './dialogs';
import { extended, titleOf } from './published';
import { showPublished } from './publisheddialog';
import { askToPublish } from './publishdialog';
import { Publishing } from './publishing';
import { IPublicationManager } from './tokens';

export interface PublishOptions extends CommandOptions {
  publications: IPublicationManager;
}

export function addPublishCommands(options: PublishOptions): void {
  const { app, publications, trans } = options;
  const { commands } = app;
  const isPublished = (): boolean =>
    publications.publications.length > 0 && !publications.isLost;
  // What is typed stays for the next time.
  let publishing: Publishing | null = null;

  commands.addCommand(CommandIDs.publish, {
    label: trans.__('Publish This Jupyter…'),
    icon: linkIcon,
    isEnabled: () => publications.ways.length > 0 && !publications.isOutside,
    execute: async () => {
      publishing = new Publishing(options.api, options.manager, publications, {
        ...(publishing?.fields ?? emptyFields(publications))
      });
      const published = await askToPublish(publishing, options);
      if (published) {
        Notification.warning(titleOf(published, trans), { autoClose: 5000 });
      }
    }
  });
  commands.addCommand(CommandIDs.showPublished, {
    label: trans.__('Show How This Jupyter Is Published'),
    icon: linkIcon,
    isEnabled: isPublished,
    execute: async args => {
      const publication = await pick(options, args);
      if (!publication) {
        return;
      }
      const wish = await showPublished(publications, publication, trans);
      if (wish === 'stop') {
        await stop(options, publication);
      } else if (wish === 'extend') {
        await extend(options, publication);
      }
    }
  });
  commands.addCommand(CommandIDs.stopPublishing, {
    label: trans.__('Stop Publishing This Jupyter'),
    icon: stopIcon,
    isEnabled: isPublished,
    execute: async args => {
      const publication = await pick(options, args);
      if (publication) {
        await stop(options, publication);
      }
    }
  });
  commands.addCommand(CommandIDs.extendPublishing, {
    label: trans.__('Publish This Jupyter for Longer'),
    icon: linkIcon,
    isEnabled: () => isPublished() && !publications.isOutside,
    execute: async args => {
      const publication = await pick(options, args);
      if (publication) {
        await extend(options, publication);
      }
    }
  });
  publications.changed.connect(() => commands.notifyCommandChanged());
}

function emptyFields({ hours }: IPublicationManager): Publishing['fields'] {
  return {
    way: 'proxy',
    gateway: '',
    name: '',
    proxy: '',
    hours: String(hours),
    port: '',
    loopbackPort: '',
    certificate: '',
    key: '',
    gatewayCertificate: '',
    gatewayKey: '',
    selfSigned: false
  };
}

async function stop(
  options: PublishOptions,
  { id, name }: Publication
): Promise<void> {
  const { publications, trans } = options;
  const failed = trans.__('%1 is published still', name);
  await shown(options, failed, () => publications.stop(id));
}

async function extend(
  options: PublishOptions,
  { id, name }: Publication
): Promise<void> {
  const { publications, trans } = options;
  const failed = trans.__('%1 ends as it was to', name);
  await shown(options, failed, async () => {
    const later = await publications.extend(id);
    Notification.info(extended(later, trans), { autoClose: 5000 });
  });
}

/** The publication of that id, or the one that a person chooses. */
async function pick(
  { publications, trans }: PublishOptions,
  args: ReadonlyPartialJSONObject
): Promise<Publication | null> {
  const id = text(args, 'publication');
  const all = publications.publications;
  if (id !== undefined) {
    return all.find(publication => publication.id === id) ?? null;
  }
  return choose(all, ({ url }) => url, trans.__('Which publication?'), trans);
}
