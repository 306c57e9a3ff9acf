"""The commands that the shell (`jupyter tunnel …`) and the notebook (`%tunnel …`) share.

==============  ===================================================================
``grammar``     the words: one parser, built from one table of commands
``actions``     what each command does, as an async function that gives an `Answer`
``answers``     what a command found out: data, lines of text, perhaps a table
``engines``     the engines that a command speaks to: found, or started
==============  ===================================================================

Nothing here prints, and nothing needs more than the standard library: `cli` and `magic` show an
`Answer` each in its own way.
"""
