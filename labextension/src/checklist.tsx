/**
 * The checks before this Jupyter is published, a line each: with its advice, what has to be typed
 * and the button of its remedy. What somebody else may have worded is quoted, and not copied.
 */

import { Clipboard } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { copyIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { Check } from './api';
import { Finding } from './finding';

export function Checklist(props: {
  checks: readonly Check[];
  /** What is shown below a line that did not pass. */
  remedy?: (check: Check) => React.ReactNode;
  trans: TranslationBundle;
}): JSX.Element {
  const { checks, remedy, trans } = props;
  return (
    <ol className="jp-RemoteTunnel-steps" aria-label={trans.__('Checks')}>
      {checks.map((check, index) => (
        <Finding
          key={index}
          found={check}
          name={check.name}
          remedy={remedy?.(check)}
          trans={trans}
        >
          {check.details.length > 0 && (
            <blockquote className="jp-RemoteTunnel-quote">
              {check.details.map((detail, number) => (
                <p key={number}>{detail}</p>
              ))}
            </blockquote>
          )}
          {check.typed.length > 0 && (
            <Lines lines={check.typed} name={check.name} trans={trans} />
          )}
        </Finding>
      ))}
    </ol>
  );
}

/** What has to be typed, or to stand in a file: to be copied as a whole. */
function Lines(props: {
  lines: readonly string[];
  /** Of the check. */
  name: string;
  trans: TranslationBundle;
}): JSX.Element {
  const { lines, name, trans } = props;
  const [isCopied, setCopied] = React.useState(false);
  const label = trans.__('Copy what “%1” needs', name);
  return (
    <div className="jp-RemoteTunnel-lines">
      <pre tabIndex={0} aria-label={trans.__('What “%1” needs', name)}>
        {lines.join('\n')}
      </pre>
      <button
        type="button"
        className="jp-RemoteTunnel-action"
        aria-label={label}
        title={label}
        onClick={() => {
          Clipboard.copyToSystem(`${lines.join('\n')}\n`);
          setCopied(true);
        }}
      >
        <copyIcon.react tag="span" />
      </button>
      {/* A notice of JupyterLab's would be behind a dialog. */}
      <span role="status">{isCopied && trans.__('Copied')}</span>
    </div>
  );
}

/** What the checks come to. */
export function verdictOfAll(
  checks: readonly Check[],
  trans: TranslationBundle
): string {
  const failed = checks.filter(({ verdict }) => verdict === 'failed');
  if (failed.length === 0) {
    return trans.__('Nothing failed.');
  }
  return trans._n(
    '%2 of %1 check failed: %3.',
    '%2 of %1 checks failed: %3.',
    checks.length,
    failed.length,
    failed.map(({ name }) => name).join(', ')
  );
}
