/** The red signs that this Jupyter is published: in the status bar, and at the top of the sidebar. */

import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { Publication } from './api';
import { CommandIDs } from './commands';
import { lossOfWay, summaryOf, titleOf } from './published';
import { IPublicationManager } from './tokens';

export interface BadgeContext {
  publications: IPublicationManager;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

/** The item of the status bar. */
export class PublishedStatusItem extends ReactWidget {
  constructor(private readonly _context: BadgeContext) {
    super();
    this.addClass('jp-RemoteTunnel-publishedStatus');
    _context.publications.changed.connect(this.update, this);
  }

  override dispose(): void {
    this._context.publications.changed.disconnect(this.update, this);
    super.dispose();
  }

  protected render(): JSX.Element {
    const { publications, trans } = this._context;
    if (publications.isLost) {
      return <span>{lossOfWay(trans)}</span>;
    }
    return (
      <>
        {publications.publications.map(publication => (
          <Badge
            key={publication.id}
            {...this._context}
            publication={publication}
          />
        ))}
      </>
    );
  }
}

function Badge(
  props: BadgeContext & { publication: Publication }
): JSX.Element {
  const { commands, publication, publications, trans } = props;
  return (
    <button
      className="jp-RemoteTunnel-published"
      title={trans.__('Show who is connected, and what is exposed')}
      onClick={() =>
        void commands.execute(CommandIDs.showPublished, {
          publication: publication.id
        })
      }
    >
      <strong>{titleOf(publication, trans)}</strong>{' '}
      <span>{summaryOf(publication, publications, trans)}</span>
    </button>
  );
}

/** What stands at the top of the sidebar while something is published. */
export function PublishedSection(props: BadgeContext): JSX.Element | null {
  const { publications, trans } = props;
  if (publications.publications.length === 0) {
    return null;
  }
  if (publications.isLost) {
    return (
      <section
        className="jp-RemoteTunnel-empty"
        aria-label={trans.__('The way here')}
      >
        <p role="status">{lossOfWay(trans)}</p>
      </section>
    );
  }
  return (
    <section aria-label={trans.__('This Jupyter is published')}>
      {publications.publications.map(publication => (
        <div key={publication.id} className="jp-RemoteTunnel-publication">
          <Badge {...props} publication={publication} />
          {publication.problem && <p>{publication.problem}</p>}
          {publications.isOutside && (
            <p>{trans.__('You came in through it, from outside.')}</p>
          )}
          <div className="jp-RemoteTunnel-buttons">
            <Order
              {...props}
              publication={publication}
              command={CommandIDs.stopPublishing}
              look="jp-mod-warn"
              label={trans.__('Stop')}
              name={trans.__('Stop publishing %1', publication.name)}
            />
            {!publications.isOutside && (
              <Order
                {...props}
                publication={publication}
                command={CommandIDs.extendPublishing}
                look="jp-mod-reject"
                label={trans.__('Extend')}
                name={trans.__('Extend %1', publication.name)}
              />
            )}
          </div>
        </div>
      ))}
    </section>
  );
}

/** A button that runs a command on a publication. */
function Order(
  props: BadgeContext & {
    publication: Publication;
    command: string;
    look: string;
    label: string;
    /** For those who do not see where it stands. */
    name: string;
  }
): JSX.Element {
  const { command, commands, label, look, name, publication } = props;
  return (
    <button
      className={`jp-mod-styled ${look}`}
      aria-label={name}
      title={name}
      onClick={() =>
        void commands.execute(command, { publication: publication.id })
      }
    >
      {label}
    </button>
  );
}

/** The quiet way in, where this Jupyter may be published and is not. */
export function PublishEntry({
  commands,
  trans
}: BadgeContext): JSX.Element | null {
  if (!commands.isEnabled(CommandIDs.publish)) {
    return null;
  }
  return (
    <div className="jp-RemoteTunnel-publishEntry">
      <button
        className="jp-RemoteTunnel-link"
        onClick={() => void commands.execute(CommandIDs.publish)}
      >
        {trans.__('Publish this Jupyter…')}
      </button>
    </div>
  );
}
