/** The dialog that tells of a publication: who is connected, what is exposed, what was checked. */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { Publication, Visitor } from './api';
import { Checklist } from './checklist';
import { DialogBody, launch } from './dialogs';
import { lossOfWay, stateOf, timeOf, titleOf } from './published';
import { IPublicationManager } from './tokens';

/** What a person wants of it; null if they have only looked. */
export type Wish = 'extend' | 'stop' | null;

/** Show all that is known of it, as it changes. */
export async function showPublished(
  publications: IPublicationManager,
  publication: Publication,
  trans: TranslationBundle
): Promise<Wish> {
  const watch = publications.watch();
  try {
    const { button } = await launch(
      () => new PublishedDialog(publications, publication, trans)
    );
    return (button.actions[0] as Wish) ?? null;
  } finally {
    watch.dispose();
  }
}

class PublishedDialog extends Dialog<void> {
  constructor(
    private readonly _publications: IPublicationManager,
    private readonly _publication: Publication,
    trans: TranslationBundle
  ) {
    const title = titleOf(_publication, trans);
    super({
      title,
      body: new PublishedBody(_publications, _publication, trans),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Close') }),
        ...(_publications.isOutside
          ? []
          : [
              Dialog.okButton({
                label: trans.__('Extend'),
                actions: ['extend']
              })
            ]),
        Dialog.warnButton({ label: trans.__('Stop'), actions: ['stop'] })
      ],
      defaultButton: 0
    });
    this.addClass('jp-RemoteTunnel-dialog');
    this.node.setAttribute('aria-label', title);
    _publications.changed.connect(this._look, this);
    this._look();
  }

  override dispose(): void {
    this._publications.changed.disconnect(this._look, this);
    super.dispose();
  }

  /** Offer what can be done. */
  private _look(): void {
    const isThere =
      !this._publications.isLost &&
      found(this._publications, this._publication);
    const buttons =
      this.node.querySelectorAll<HTMLElement>('.jp-Dialog-button');
    buttons.forEach((button, index) => {
      button.hidden = index > 0 && !isThere;
    });
  }
}

/** It as it is now; undefined where it has ended. */
function found(
  { publications }: IPublicationManager,
  { id }: Publication
): Publication | undefined {
  return publications.find(one => one.id === id);
}

class PublishedBody extends DialogBody {
  constructor(
    private readonly _publications: IPublicationManager,
    private readonly _first: Publication,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-RemoteTunnel-form');
    this.addClass('jp-RemoteTunnel-publish');
  }

  protected render(): JSX.Element {
    const publications = this._publications;
    return (
      <UseSignal signal={publications.changed}>
        {() => (
          <Details
            publications={publications}
            publication={found(publications, this._first)}
            trans={this._trans}
            onShown={() => this.shown()}
          />
        )}
      </UseSignal>
    );
  }
}

function Details(props: {
  publications: IPublicationManager;
  /** None where it has ended meanwhile. */
  publication: Publication | undefined;
  trans: TranslationBundle;
  onShown: () => void;
}): JSX.Element {
  const { onShown, publication, publications, trans } = props;
  React.useEffect(onShown, []);
  if (publications.isLost) {
    return <p role="status">{lossOfWay(trans)}</p>;
  }
  if (!publication) {
    return <p role="status">{trans.__('It is not published any more.')}</p>;
  }
  const { checks, exposed, since, until, url, visitors } = publication;
  const isUnknown = publications.problem !== null;
  return (
    <div className="jp-RemoteTunnel-fields">
      <dl className="jp-RemoteTunnel-facts">
        <dt>{trans.__('Address')}</dt>
        <dd>
          <a href={url} target="_blank" rel="noopener noreferrer">
            {url}
          </a>
        </dd>
        <dt>{trans.__('State')}</dt>
        <dd>
          {trans.__(
            '%1, since %2',
            stateOf(publication, isUnknown, trans),
            timeOf(since)
          )}
          {publication.problem && <p>{publication.problem}</p>}
        </dd>
        <dt>{trans.__('Ends')}</dt>
        <dd>{timeOf(until)}</dd>
        <dt>{trans.__('Connected')}</dt>
        <dd>
          <Visitors visitors={visitors} trans={trans} />
        </dd>
        <dt>{trans.__('Exposed')}</dt>
        <dd>
          {exposed.map((sentence, index) => (
            <p key={index}>{sentence}</p>
          ))}
        </dd>
      </dl>
      {publications.isOutside && (
        <p>
          {trans.__(
            'You came in through it, from outside: you can end it, and change nothing else of it.'
          )}
        </p>
      )}
      <Checklist checks={checks} trans={trans} />
    </div>
  );
}

function Visitors(props: {
  visitors: readonly Visitor[];
  trans: TranslationBundle;
}): JSX.Element {
  const { trans, visitors } = props;
  if (visitors.length === 0) {
    return <>{trans.__('Nobody')}</>;
  }
  return (
    <ul className="jp-RemoteTunnel-list">
      {visitors.map(({ address, since, streams }, index) => (
        <li key={index}>
          {trans._n(
            '%2, %1 stream since %3',
            '%2, %1 streams since %3',
            streams,
            address || trans.__('an unknown address'),
            timeOf(since)
          )}
        </li>
      ))}
    </ul>
  );
}
