/** What a tab shows whose tunnel was closed. */

import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

/**
 * @param name - that of the application.
 * @param openAgain - asks for a tunnel that leads there.
 * @param close - closes the tab.
 */
export function closedNotice(
  name: string,
  openAgain: () => void,
  close: () => void,
  trans: TranslationBundle
): ReactWidget {
  const notice = ReactWidget.create(
    <div role="status">
      <h2>{trans.__('The tunnel to “%1” was closed', name)}</h2>
      <p>{trans.__('Nothing leads to this application any more.')}</p>
      <button
        className="jp-Button jp-mod-styled jp-mod-accept"
        onClick={openAgain}
      >
        {trans.__('Open It Again…')}
      </button>
      <button className="jp-Button jp-mod-styled jp-mod-reject" onClick={close}>
        {trans.__('Close This Tab')}
      </button>
    </div>
  );
  notice.addClass('jp-RemoteTunnel-closed');
  return notice;
}
