"""The commands that the shell (`jupyter tunnel …`) and the notebook (`%tunnel …`) share.

==============  ===================================================================
``grammar``     the words: one parser, built from one table of commands
``actions``     what each command does, as an async function that gives an `Answer`
``diagnoses``   what the doctor found, in lines
``hosts``       the same, of the command `hosts`
``cert``        a certificate
``offers``      what is offered on a gateway
``units``       the same as a unit of systemd
``recipes``     the same by ssh alone
``jupyters``    the command `jupyter`; ``browser`` opens what it found
``typed``       what was typed, for a process that has another working directory and another agent
``answers``     what a command found out: data, lines of text, perhaps a table
``engines``     the engines that a command speaks to: found, or started
``questions``   what the engine asks meanwhile, put to the person who typed the command
``terminal``    where that is a terminal
``cell``        where that is a notebook's cell
==============  ===================================================================

Nothing here needs more than the standard library, and nothing but questions is printed: `cli` and
`magic` show an `Answer` each in its own way.
"""
